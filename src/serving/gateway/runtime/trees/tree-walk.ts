import { wasmMemory, wasmModule } from '#core/webassembly';
import { type CompiledTrees, LANES } from './compile-trees.ts';
import { WALK_BASE64 } from './walk.gen.ts';

const instantiate = wasmModule<{
  walk(group: number, groupsEnd: number, leaf: number, leavesEnd: number, base: number): number;
}>(WALK_BASE64);

const WORD_BYTES = 4;
const NODE_BYTES = 8;
/** The roots of a group, where their leaves go, and a depth. */
const GROUP_BYTES = (2 * LANES + 1) * WORD_BYTES;

/**
 * Trees laid in a memory of their own and walked by WebAssembly (`walk.wat`), whose accesses need no check against the
 * ends of an array: a row through a hundred trees takes it a third of the time that the same walk takes in JavaScript.
 */
export class TreeWalk {
  /** Each column of a row, then each once more with its sign turned, then none; see `compileTrees`. */
  readonly row: Float32Array;
  readonly #walk: () => number;

  constructor(trees: CompiledTrees, columns: number) {
    const { values, places, children, roots, depths, count, base } = trees;
    const rowWords = 2 * columns + 1;
    const nodes = Math.ceil((rowWords * WORD_BYTES) / NODE_BYTES) * NODE_BYTES;
    const groups = nodes + values.length * NODE_BYTES;
    const leaves = groups + depths.length * GROUP_BYTES;
    const end = leaves + count * WORD_BYTES;
    const memory = wasmMemory(end);
    const view = new DataView(memory.buffer);
    for (let i = 0; i < values.length; i++) {
      const at = nodes + i * NODE_BYTES;
      view.setFloat32(at, values[i] as number, true);
      view.setUint16(at + 4, (places[i] as number) * WORD_BYTES, true);
      view.setUint16(at + 6, children[i] as number, true);
    }
    for (let lane = 0; lane < roots.length; lane++) {
      const at = groups + Math.floor(lane / LANES) * GROUP_BYTES + (lane % LANES) * WORD_BYTES;
      view.setInt32(at, nodes + (roots[lane] as number) * NODE_BYTES, true);
      view.setInt32(at + LANES * WORD_BYTES, leaves + (trees.trees[lane] as number) * WORD_BYTES, true);
    }
    for (let group = 0; group < depths.length; group++) {
      view.setInt32(groups + (group + 1) * GROUP_BYTES - WORD_BYTES, depths[group] as number, true);
    }
    this.row = new Float32Array(memory.buffer, 0, rowWords).fill(Number.NaN);
    const { walk } = instantiate(memory);
    this.#walk = () => walk(groups, leaves, leaves, end, base);
  }

  /** The sum of the base and of the leaves that the row comes to, tree after tree in double precision. */
  walk(): number {
    return this.#walk();
  }
}
