import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { Dispatcher } from './dispatcher.ts';

function handing(): { readonly ids: number[]; readonly hand: (id: number) => void } {
  const ids: number[] = [];
  return { ids, hand: (id) => void ids.push(id) };
}

test('a connection goes to the process with the fewest of its protocol', () => {
  const dispatcher = new Dispatcher<string>(100);
  const [a, b] = [handing(), handing()];
  dispatcher.join('a', a.hand);
  dispatcher.join('b', b.hand);

  for (let i = 0; i < 6; i++) dispatcher.offer('http', new Socket());
  dispatcher.offer('grpc', new Socket());
  dispatcher.closed('b', 'http');
  dispatcher.offer('http', new Socket());

  assert.deepEqual([a.ids.length, b.ids.length], [4, 4]);
  assert.deepEqual([dispatcher.connections('a'), dispatcher.connections('b')], [4, 3]);
});

test('what a process has not taken when it leaves goes to another, and what it has taken does not', () => {
  const dispatcher = new Dispatcher<string>(100);
  const [a, b] = [handing(), handing()];
  const sockets = [new Socket(), new Socket()] as const;
  dispatcher.join('a', a.hand);
  for (const socket of sockets) dispatcher.offer('http', socket);

  dispatcher.taken('a', a.ids[0] ?? 0);
  dispatcher.leave('a');
  dispatcher.join('b', b.hand);

  assert.deepEqual([sockets[0].destroyed, sockets[1].destroyed], [true, false]);
  assert.equal(b.ids.length, 1);
  assert.equal(dispatcher.connections('b'), 1);
});

test('past the limit connections are refused, and those that wait for a process count', () => {
  const dispatcher = new Dispatcher<string>(2);
  const sockets = Array.from({ length: 3 }, () => new Socket());

  for (const socket of sockets) dispatcher.offer('http', socket);

  assert.deepEqual(
    sockets.map(({ destroyed }) => destroyed),
    [false, false, true],
  );
});

test('a process that was started again gets its part of the connections that others have above the mean', () => {
  const dispatcher = new Dispatcher<string>(100);
  dispatcher.join('a', () => undefined);
  for (let i = 0; i < 10; i++) dispatcher.offer('http', new Socket());

  dispatcher.join('b', () => undefined);

  assert.deepEqual([...dispatcher.surplus()], [['a', 5]]);
});
