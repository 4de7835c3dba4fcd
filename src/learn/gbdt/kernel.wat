;; The inner loops of histogram gradient boosting. The host owns the memory and passes byte addresses.
;;
;; Gradient statistics are fixed-point integers, so that sums do not depend on the order of the rows and a histogram
;; got by subtraction equals the one got by counting, bit for bit. One statistic is one v128:
;;   lane 0 (i64)  gradient x gradientScale, signed
;;   lane 1 (u64)  (hessian x hessianScale) << countBits | number of rows
;; A histogram of one column is 256 such cells (4096 bytes); cell 255 holds the rows whose value is missing.
(module
  (import "host" "memory" (memory 1))

  ;; packed[i] = statistic of row i, for i in [0, count).
  (func (export "quantise")
    (param $gradients i32) (param $hessians i32) (param $count i32)
    (param $gradientScale f64) (param $hessianScale f64) (param $countBits i32) (param $packed i32)
    (local $end i32)
    (local $shift i64)
    (local.set $shift (i64.extend_i32_u (local.get $countBits)))
    (local.set $end (i32.add (local.get $gradients) (i32.shl (local.get $count) (i32.const 3))))
    (block $done
      (loop $row
        (br_if $done (i32.ge_u (local.get $gradients) (local.get $end)))
        (i64.store (local.get $packed)
          (i64.trunc_sat_f64_s
            (f64.nearest (f64.mul (f64.load (local.get $gradients)) (local.get $gradientScale)))))
        (i64.store offset=8 (local.get $packed)
          (i64.or
            (i64.shl
              (i64.trunc_sat_f64_s
                (f64.nearest (f64.mul (f64.load (local.get $hessians)) (local.get $hessianScale))))
              (local.get $shift))
            (i64.const 1)))
        (local.set $gradients (i32.add (local.get $gradients) (i32.const 8)))
        (local.set $hessians (i32.add (local.get $hessians) (i32.const 8)))
        (local.set $packed (i32.add (local.get $packed) (i32.const 16)))
        (br $row))))

  ;; For each row of the index list and each column: histogram[column][bin] += packed[row].
  ;; bins is row-major, one byte per column.
  (func (export "accumulate")
    (param $bins i32) (param $columns i32) (param $rows i32) (param $count i32) (param $packed i32)
    (param $histogram i32)
    (local $end i32) (local $row i32) (local $bin i32) (local $binEnd i32) (local $column i32) (local $cell i32)
    (local $statistic v128)
    (local.set $end (i32.add (local.get $rows) (i32.shl (local.get $count) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $rows) (local.get $end)))
        (local.set $row (i32.load (local.get $rows)))
        (local.set $statistic (v128.load (i32.add (local.get $packed) (i32.shl (local.get $row) (i32.const 4)))))
        (local.set $bin (i32.add (local.get $bins) (i32.mul (local.get $row) (local.get $columns))))
        (local.set $binEnd (i32.add (local.get $bin) (local.get $columns)))
        (local.set $column (local.get $histogram))
        (loop $cells
          (local.set $cell
            (i32.add (local.get $column) (i32.shl (i32.load8_u (local.get $bin)) (i32.const 4))))
          (v128.store (local.get $cell) (i64x2.add (v128.load (local.get $cell)) (local.get $statistic)))
          (local.set $column (i32.add (local.get $column) (i32.const 4096)))
          (br_if $cells
            (i32.lt_u (local.tee $bin (i32.add (local.get $bin) (i32.const 1))) (local.get $binEnd))))
        (local.set $rows (i32.add (local.get $rows) (i32.const 4)))
        (br $next))))

  ;; parent -= child over count cells: what remains is the histogram of the other child.
  (func (export "subtract") (param $parent i32) (param $child i32) (param $count i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $parent) (i32.shl (local.get $count) (i32.const 4))))
    (block $done
      (loop $cell
        (br_if $done (i32.ge_u (local.get $parent) (local.get $end)))
        (v128.store (local.get $parent)
          (i64x2.sub (v128.load (local.get $parent)) (v128.load (local.get $child))))
        (local.set $parent (i32.add (local.get $parent) (i32.const 16)))
        (local.set $child (i32.add (local.get $child) (i32.const 16)))
        (br $cell))))

  ;; Writes three f64 per cell: gradient sum, hessian sum, number of rows.
  (func (export "decode")
    (param $histogram i32) (param $count i32) (param $gradientStep f64) (param $hessianStep f64)
    (param $countBits i32) (param $out i32)
    (local $end i32) (local $shift i64) (local $mask i64) (local $pair i64)
    (local.set $shift (i64.extend_i32_u (local.get $countBits)))
    (local.set $mask (i64.sub (i64.shl (i64.const 1) (local.get $shift)) (i64.const 1)))
    (local.set $end (i32.add (local.get $histogram) (i32.shl (local.get $count) (i32.const 4))))
    (block $done
      (loop $cell
        (br_if $done (i32.ge_u (local.get $histogram) (local.get $end)))
        (f64.store (local.get $out)
          (f64.mul (f64.convert_i64_s (i64.load (local.get $histogram))) (local.get $gradientStep)))
        (local.set $pair (i64.load offset=8 (local.get $histogram)))
        (f64.store offset=8 (local.get $out)
          (f64.mul
            (f64.convert_i64_s (i64.shr_u (local.get $pair) (local.get $shift)))
            (local.get $hessianStep)))
        (f64.store offset=16 (local.get $out)
          (f64.convert_i64_s (i64.and (local.get $pair) (local.get $mask))))
        (local.set $histogram (i32.add (local.get $histogram) (i32.const 16)))
        (local.set $out (i32.add (local.get $out) (i32.const 24)))
        (br $cell))))

  ;; Stable partition of an index list by one column: rows that go left keep the front of the list, the others follow.
  ;; A row goes left when its bin is <= limit; with missingLeft = 1 the missing bin 255 goes left as well. Adding
  ;; missingLeft modulo 256 turns 255 into 0 and keeps the order of the rest, so that one comparison decides without a
  ;; branch.
  ;; scratch has room for the list. Returns the number of rows that went left.
  (func (export "partition")
    (param $bins i32) (param $columns i32) (param $column i32) (param $rows i32) (param $count i32)
    (param $limit i32) (param $missingLeft i32) (param $scratch i32) (result i32)
    (local $read i32) (local $end i32) (local $left i32) (local $right i32) (local $row i32) (local $goesLeft i32)
    (local.set $bins (i32.add (local.get $bins) (local.get $column)))
    (local.set $limit (i32.add (local.get $limit) (local.get $missingLeft)))
    (local.set $read (local.get $rows))
    (local.set $left (local.get $rows))
    (local.set $right (local.get $scratch))
    (local.set $end (i32.add (local.get $rows) (i32.shl (local.get $count) (i32.const 2))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $read) (local.get $end)))
        (local.set $row (i32.load (local.get $read)))
        (local.set $goesLeft
          (i32.le_u
            (i32.and
              (i32.add
                (i32.load8_u (i32.add (local.get $bins) (i32.mul (local.get $row) (local.get $columns))))
                (local.get $missingLeft))
              (i32.const 255))
            (local.get $limit)))
        (i32.store (local.get $left) (local.get $row))
        (i32.store (local.get $right) (local.get $row))
        (local.set $left (i32.add (local.get $left) (i32.shl (local.get $goesLeft) (i32.const 2))))
        (local.set $right
          (i32.add (local.get $right) (i32.shl (i32.eqz (local.get $goesLeft)) (i32.const 2))))
        (local.set $read (i32.add (local.get $read) (i32.const 4)))
        (br $next)))
    (memory.copy (local.get $left) (local.get $scratch) (i32.sub (local.get $right) (local.get $scratch)))
    (i32.shr_u (i32.sub (local.get $left) (local.get $rows)) (i32.const 2))))
