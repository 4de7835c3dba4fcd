;; Walks one row through boosted trees. The host owns the memory, lays the trees in it (`tree-walk.ts`) and passes byte
;; addresses. A node is 8 bytes:
;;   f32  the threshold of a split, or the value of a leaf
;;   u16  where in memory the value is that the split looks at; that of a leaf is always missing
;;   u16  how many nodes further on its first child is; 0 for a leaf
;; From a node the walk goes on to its first child, or to the node after that when the value is past the threshold, which
;; a missing one never is. So a leaf goes on to itself, and no jump depends on the row.
(module
  (import "host" "memory" (memory 1))

  ;; The sum of `base` and the values of the leaves, in the order of the trees. A group is 17 words: the roots of eight
  ;; trees that are walked beside each other, since each step of one waits for memory; where the value of each one's leaf
  ;; goes; and how deep the deepest of them is.
  (func (export "walk")
    (param $group i32) (param $groupsEnd i32) (param $leaf i32) (param $leavesEnd i32) (param $base f64)
    (result f64)
    (local $a i32) (local $b i32) (local $c i32) (local $d i32) (local $e i32) (local $f i32) (local $g i32) (local $h i32)
    (local $steps i32) (local $sum f64)
    (block $walked
      (loop $next
        (br_if $walked (i32.ge_u (local.get $group) (local.get $groupsEnd)))
        (local.set $a (i32.load offset=0 (local.get $group)))
        (local.set $b (i32.load offset=4 (local.get $group)))
        (local.set $c (i32.load offset=8 (local.get $group)))
        (local.set $d (i32.load offset=12 (local.get $group)))
        (local.set $e (i32.load offset=16 (local.get $group)))
        (local.set $f (i32.load offset=20 (local.get $group)))
        (local.set $g (i32.load offset=24 (local.get $group)))
        (local.set $h (i32.load offset=28 (local.get $group)))
        (local.set $steps (i32.load offset=64 (local.get $group)))
        (block $leaves
          (loop $step
            (br_if $leaves (i32.eqz (local.get $steps)))
            ;; Few rows go to the bottom of a deep tree.
            (if (i32.eqz (i32.and (local.get $steps) (i32.const 7)))
              (then (br_if $leaves (i32.eqz
                  (i32.or (i32.or (i32.or (i32.load16_u offset=6 (local.get $a))
                  (i32.load16_u offset=6 (local.get $b)))
                  (i32.or (i32.load16_u offset=6 (local.get $c))
                  (i32.load16_u offset=6 (local.get $d))))
                  (i32.or (i32.or (i32.load16_u offset=6 (local.get $e))
                  (i32.load16_u offset=6 (local.get $f)))
                  (i32.or (i32.load16_u offset=6 (local.get $g))
                  (i32.load16_u offset=6 (local.get $h)))))))))
            (local.set $a
              (i32.add
                (i32.add (local.get $a) (i32.shl (i32.load16_u offset=6 (local.get $a)) (i32.const 3)))
                (i32.shl
                  (f32.gt (f32.load (i32.load16_u offset=4 (local.get $a))) (f32.load (local.get $a)))
                  (i32.const 3))))
            (local.set $b
              (i32.add
                (i32.add (local.get $b) (i32.shl (i32.load16_u offset=6 (local.get $b)) (i32.const 3)))
                (i32.shl
                  (f32.gt (f32.load (i32.load16_u offset=4 (local.get $b))) (f32.load (local.get $b)))
                  (i32.const 3))))
            (local.set $c
              (i32.add
                (i32.add (local.get $c) (i32.shl (i32.load16_u offset=6 (local.get $c)) (i32.const 3)))
                (i32.shl
                  (f32.gt (f32.load (i32.load16_u offset=4 (local.get $c))) (f32.load (local.get $c)))
                  (i32.const 3))))
            (local.set $d
              (i32.add
                (i32.add (local.get $d) (i32.shl (i32.load16_u offset=6 (local.get $d)) (i32.const 3)))
                (i32.shl
                  (f32.gt (f32.load (i32.load16_u offset=4 (local.get $d))) (f32.load (local.get $d)))
                  (i32.const 3))))
            (local.set $e
              (i32.add
                (i32.add (local.get $e) (i32.shl (i32.load16_u offset=6 (local.get $e)) (i32.const 3)))
                (i32.shl
                  (f32.gt (f32.load (i32.load16_u offset=4 (local.get $e))) (f32.load (local.get $e)))
                  (i32.const 3))))
            (local.set $f
              (i32.add
                (i32.add (local.get $f) (i32.shl (i32.load16_u offset=6 (local.get $f)) (i32.const 3)))
                (i32.shl
                  (f32.gt (f32.load (i32.load16_u offset=4 (local.get $f))) (f32.load (local.get $f)))
                  (i32.const 3))))
            (local.set $g
              (i32.add
                (i32.add (local.get $g) (i32.shl (i32.load16_u offset=6 (local.get $g)) (i32.const 3)))
                (i32.shl
                  (f32.gt (f32.load (i32.load16_u offset=4 (local.get $g))) (f32.load (local.get $g)))
                  (i32.const 3))))
            (local.set $h
              (i32.add
                (i32.add (local.get $h) (i32.shl (i32.load16_u offset=6 (local.get $h)) (i32.const 3)))
                (i32.shl
                  (f32.gt (f32.load (i32.load16_u offset=4 (local.get $h))) (f32.load (local.get $h)))
                  (i32.const 3))))
            (local.set $steps (i32.sub (local.get $steps) (i32.const 1)))
            (br $step)))
        (f32.store (i32.load offset=32 (local.get $group)) (f32.load (local.get $a)))
        (f32.store (i32.load offset=36 (local.get $group)) (f32.load (local.get $b)))
        (f32.store (i32.load offset=40 (local.get $group)) (f32.load (local.get $c)))
        (f32.store (i32.load offset=44 (local.get $group)) (f32.load (local.get $d)))
        (f32.store (i32.load offset=48 (local.get $group)) (f32.load (local.get $e)))
        (f32.store (i32.load offset=52 (local.get $group)) (f32.load (local.get $f)))
        (f32.store (i32.load offset=56 (local.get $group)) (f32.load (local.get $g)))
        (f32.store (i32.load offset=60 (local.get $group)) (f32.load (local.get $h)))
        (local.set $group (i32.add (local.get $group) (i32.const 68)))
        (br $next)))
    (local.set $sum (local.get $base))
    (block $summed
      (loop $add
        (br_if $summed (i32.ge_u (local.get $leaf) (local.get $leavesEnd)))
        (local.set $sum (f64.add (local.get $sum) (f64.promote_f32 (f32.load (local.get $leaf)))))
        (local.set $leaf (i32.add (local.get $leaf) (i32.const 4)))
        (br $add)))
    (local.get $sum)))
