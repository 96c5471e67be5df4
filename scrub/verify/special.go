package verify

import (
	"context"
	"io/fs"
)

// special looks for what makes a folder something of its own: a bag, an object,
// a layout. done tells that nothing else in it is to be searched.
func (r *run) special(ctx context.Context, dir place, entries []fs.DirEntry) (done bool, err error) {
	return false, nil
}

// checkPackages checks what carries its own list.
func (r *run) checkPackages(ctx context.Context) error { return nil }
