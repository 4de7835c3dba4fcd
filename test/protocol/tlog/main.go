// Checks an exported audit log and a proof with Go's own transparency log library golang.org/x/mod/sumdb, which is what
// the go command checks modules with. It shares no code with Kedge.
//
//	tlog-check log   <directory> <verifier key> [former checkpoint]
//	tlog-check proof <file.tlog-proof> <verifier key> <file with the entry>
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 3 {
		return errors.New("usage: tlog-check log|proof …")
	}
	key, err := os.ReadFile(args[2])
	if err != nil {
		return err
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(key)))
	if err != nil {
		return err
	}
	if args[0] == "proof" && len(args) == 4 {
		return checkProof(args[1], verifier, args[3])
	}
	former := ""
	if len(args) == 4 {
		former = args[3]
	}
	return checkLog(args[1], verifier, former)
}

// openCheckpoint verifies the signature of a checkpoint and reads its three lines.
func openCheckpoint(signed []byte, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("not a checkpoint of %s: %q", verifier.Name(), opened.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

// directory reads tiles of height 8 as c2sp.org/tlog-tiles names them, without the height.
type directory string

func (d directory) Height() int                     { return 8 }
func (d directory) SaveTiles([]tlog.Tile, [][]byte) {}

func (d directory) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		var err error
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		if data[i], err = os.ReadFile(filepath.Join(string(d), path)); err != nil {
			return nil, err
		}
	}
	return data, nil
}

func checkLog(root string, verifier note.Verifier, former string) error {
	signed, err := os.ReadFile(filepath.Join(root, "checkpoint"))
	if err != nil {
		return err
	}
	tree, err := openCheckpoint(signed, verifier)
	if err != nil {
		return err
	}
	hashes := tlog.TileHashReader(tree, directory(root))
	if whole, err := tlog.TreeHash(tree.N, hashes); err != nil || (tree.N > 0 && whole != tree.Hash) {
		return fmt.Errorf("the tiles do not have the signed root: %v", err)
	}
	for start := int64(0); start < tree.N; start += 256 {
		if err := checkBundle(root, tree, start, hashes); err != nil {
			return err
		}
	}
	if former == "" {
		fmt.Printf("%d entries\n", tree.N)
		return nil
	}
	return checkGrowth(former, verifier, tree, hashes)
}

func checkBundle(root string, tree tlog.Tree, start int64, hashes tlog.HashReader) error {
	width := tree.N - start
	if width > 256 {
		width = 256
	}
	path := tlog.Tile{H: 8, L: -1, N: start / 256, W: int(width)}.Path()
	path = strings.Replace(path, "tile/8/data/", "tile/entries/", 1)
	bundle, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		return err
	}
	indexes := make([]int64, width)
	for i := range indexes {
		indexes[i] = tlog.StoredHashIndex(0, start+int64(i))
	}
	expected, err := hashes.ReadHashes(indexes)
	if err != nil {
		return err
	}
	for i := range indexes {
		if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
			return fmt.Errorf("entry %d is cut off", start+int64(i)+1)
		}
		end := 2 + int(binary.BigEndian.Uint16(bundle))
		if tlog.RecordHash(bundle[2:end]) != expected[i] {
			return fmt.Errorf("entry %d is not in the signed tree", start+int64(i)+1)
		}
		bundle = bundle[end:]
	}
	if len(bundle) > 0 {
		return fmt.Errorf("%s has %d bytes more than its entries", path, len(bundle))
	}
	return nil
}

func checkGrowth(path string, verifier note.Verifier, tree tlog.Tree, hashes tlog.HashReader) error {
	signed, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	former, err := openCheckpoint(signed, verifier)
	if err != nil {
		return err
	}
	proof, err := tlog.ProveTree(tree.N, former.N, hashes)
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, former.N, former.Hash); err != nil {
		return err
	}
	fmt.Printf("%d entries, %d of them as before\n", tree.N, former.N)
	return nil
}

func checkProof(path string, verifier note.Verifier, entryPath string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	entry, err := os.ReadFile(entryPath)
	if err != nil {
		return err
	}
	head, checkpoint, found := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !found || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("not a tlog proof")
	}
	lines = lines[1:]
	if strings.HasPrefix(lines[0], "extra ") {
		lines = lines[1:]
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "index "), 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[1:] {
		hash, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(hash) != tlog.HashSize {
			return fmt.Errorf("not a hash: %q", line)
		}
		proof = append(proof, *(*tlog.Hash)(hash))
	}
	tree, err := openCheckpoint(checkpoint, verifier)
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
		return err
	}
	fmt.Printf("entry %d of %d\n", index+1, tree.N)
	return nil
}
