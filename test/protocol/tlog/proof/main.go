// Checks a proof with the parser of c2sp.org/tlog-proof, the checkpoint and the Merkle libraries of transparency.dev,
// whose logs hold certificates and software signatures. It shares no code with Kedge.
//
//	tlog-proof <file.tlog-proof> <verifier key> <file with the entry>
package main

import (
	"fmt"
	"os"

	"github.com/transparency-dev/formats/log"
	tlogproof "github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	if err := run(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("usage: tlog-proof <proof> <key> <entry>")
	}
	var files [3][]byte
	for i := range files {
		var err error
		if files[i], err = os.ReadFile(args[i+1]); err != nil {
			return err
		}
	}
	verifier, err := note.NewVerifier(string(files[1]))
	if err != nil {
		return err
	}
	var p tlogproof.TLogProof
	if err := p.Unmarshal(files[0]); err != nil {
		return err
	}
	checkpoint, _, _, err := log.ParseCheckpoint(p.Checkpoint, verifier.Name(), verifier)
	if err != nil {
		return err
	}
	path := make([][]byte, len(p.Hashes))
	for i := range p.Hashes {
		path[i] = p.Hashes[i][:]
	}
	leaf := rfc6962.DefaultHasher.HashLeaf(files[2])
	err = proof.VerifyInclusion(rfc6962.DefaultHasher, p.Index, checkpoint.Size, leaf, path, checkpoint.Hash)
	if err != nil {
		return err
	}
	fmt.Printf("entry %d of %d\n", p.Index+1, checkpoint.Size)
	return nil
}
