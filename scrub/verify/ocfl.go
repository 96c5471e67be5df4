package verify

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"bitmend/hashsets/manifest"
)

// ocflObject notes the inventory of an OCFL object, and its sidecar.
func (r *run) ocflObject(ctx context.Context, dir place, entries []fs.DirEntry) error {
	at := dir.below("inventory.json")
	s := &source{at: at, base: dir, shown: at.shown(), format: manifest.OCFL, opts: r.opts.Read}
	s.opts.ListName = "inventory.json"
	r.found.add(s)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "inventory.json.") {
			r.found.add(r.sidecar(dir, e.Name()))
		}
	}
	whole := &source{at: dir, base: dir, shown: dir.shown(), format: manifest.OCFL, read: r.ocflWhole}
	r.found.sources = append(r.found.sources, whole)
	in := below(dir)
	r.found.closed = append(r.found.closed, in)
	r.found.free = append(r.found.free, func(full string) bool {
		return in(full) && !strings.Contains(strings.TrimPrefix(full, dir.full()), "/content/")
	})
	return ctx.Err()
}

// sidecar is the file that holds the digest of an inventory.
func (r *run) sidecar(dir place, name string) *source {
	at := dir.below(name)
	return &source{at: at, base: dir, shown: at.shown(), format: manifest.OCFL, read: func(ctx context.Context, s *source, sink manifest.Sink) error {
		f, _, err := openFile(s.at)
		if err != nil {
			return sink.Problem(manifest.Problem{Kind: manifest.Invalid, Text: "it cannot be read: " + reasonOf(err)})
		}
		defer f.Close() // it was only read from
		e, problem, err := manifest.ReadSidecar(f, s.at.base())
		switch {
		case err != nil:
			return err
		case problem != nil:
			return sink.Problem(*problem)
		}
		return sink.Entry(e)
	}}
}

// ocflWhole checks what holds of an object as a whole: its declaration, and
// that the newest version has the inventory of the root.
func (r *run) ocflWhole(ctx context.Context, s *source, sink manifest.Sink) error {
	wrong := func(format string, args ...any) error {
		return sink.Problem(manifest.Problem{Kind: manifest.Invalid, Text: fmt.Sprintf(format, args...)})
	}
	entries, err := fs.ReadDir(s.at.root.FS(), orDot(s.at.name))
	if err != nil {
		return fmt.Errorf("reading the OCFL object %s: %w", s.shown, err)
	}
	for _, e := range entries {
		if version, ok := strings.CutPrefix(e.Name(), "0="); ok {
			text, err := wholeFile(s.at.below(e.Name()))
			if err == nil && string(text) != version+"\n" {
				err = fmt.Errorf("it does not hold %q", version)
			}
			if err != nil {
				if err := wrong("the declaration %s: %v", e.Name(), err); err != nil {
					return err
				}
			}
		}
	}
	root, err := wholeFile(s.at.below("inventory.json"))
	if err != nil {
		return wrong("the inventory cannot be read: %s", reasonOf(err))
	}
	inv, ok, err := manifest.ReadInventory(bytes.NewReader(root), silent{sink})
	if !ok || err != nil {
		return err
	}
	if inv.Head == "" || path.Base(inv.Head) != inv.Head {
		return nil // the inventory was told to be wrong
	}
	head, err := wholeFile(s.at.below(inv.Head).below("inventory.json"))
	switch {
	case err != nil:
		return wrong("the newest version %s has no inventory that can be read", inv.Head)
	case !bytes.Equal(head, root):
		return wrong("the inventory of the newest version %s is not that of the object", inv.Head)
	}
	return ctx.Err()
}

// silent is a sink for what was told of before.
type silent struct{ manifest.Sink }

func (silent) Problem(manifest.Problem) error { return nil }

// wholeFile reads a small file.
func wholeFile(at place) ([]byte, error) {
	const most = 64 << 20
	f, info, err := openFile(at)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read from
	if info.Size() > most {
		return nil, fmt.Errorf("it is larger than %d bytes", most)
	}
	return io.ReadAll(io.LimitReader(f, most))
}
