package protect

import (
	"context"
	"strings"

	"bitmend/scrub/store"
)

// A home is where parity files live. It gives each file that is staged a
// temporary name of its own, by which the next run finds what an interrupted
// one left.
type home struct{ store.Remover }

// stageID returns the ID under which a parity file is staged.
func stageID(name string) string { return "parity-" + strings.ReplaceAll(name, "/", "-") }

// Stage is store.Writable's, under an ID of the file's own.
func (h home) Stage(ctx context.Context, name, _ string) (store.Staged, error) {
	return h.Remover.Stage(ctx, name, stageID(name))
}
