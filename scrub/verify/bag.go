package verify

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"bitmend/hashsets/manifest"
)

func isPayloadManifest(e fs.DirEntry) bool {
	_, tag, ok := manifest.BagManifest(e.Name())
	return ok && !tag && !e.IsDir()
}

// bag notes the manifests of a bag, and what is to be looked at once they were
// read.
func (r *run) bag(ctx context.Context, dir place, entries []fs.DirEntry) error {
	declaration := &source{at: dir.below("bagit.txt"), base: dir, format: manifest.BagIt}
	declaration.shown = declaration.at.shown()
	said := manifest.BagDeclaration{Version: manifest.Version{Minor: 97}, Encoding: "UTF-8"}
	var problems []manifest.Problem
	if f, _, err := openFile(declaration.at); err == nil {
		said, problems, err = manifest.ReadBagDeclaration(f)
		f.Close() // it was only read from
		if err != nil {
			return err
		}
	} else {
		problems = []manifest.Problem{{Kind: manifest.Invalid, Text: "bagit.txt is missing or cannot be read"}}
	}
	declaration.read = func(ctx context.Context, _ *source, sink manifest.Sink) error {
		return tellAll(sink, problems)
	}
	r.found.add(declaration)
	b := &bag{run: r, dir: dir, said: said}
	for _, e := range entries {
		at := dir.below(e.Name())
		s := &source{at: at, base: dir, shown: at.shown(), format: manifest.BagIt, opts: r.opts.Read}
		s.opts.ListName, s.opts.Version, s.opts.Encoding = e.Name(), said.Version, said.Encoding
		_, tag, isManifest := manifest.BagManifest(e.Name())
		switch {
		case e.IsDir():
			continue
		case e.Name() == "fetch.txt":
			s.format = manifest.BagFetch
			s.read = b.readFetch
		case !isManifest:
			continue
		case !tag:
			b.manifests = append(b.manifests, at.shown())
		}
		r.found.add(s)
	}
	last := &source{at: dir.below("bag-info.txt"), base: dir, shown: dir.shown(), format: manifest.BagIt, read: b.finish}
	r.found.sources = append(r.found.sources, last)
	inBag, inPayload := below(dir), below(dir.below("data"))
	r.found.free = append(r.found.free, func(full string) bool { return inBag(full) && !inPayload(full) })
	r.found.closed = append(r.found.closed, inBag)
	return ctx.Err()
}

func tellAll(sink manifest.Sink, problems []manifest.Problem) error {
	for _, p := range problems {
		if err := sink.Problem(p); err != nil {
			return err
		}
	}
	return nil
}

// bag is one bag.
type bag struct {
	run       *run
	dir       place
	said      manifest.BagDeclaration
	manifests []string // of the payload, as shown
}

// readFetch reads fetch.txt. Its files are those of the manifests too: what is
// not there yet is missing there.
func (b *bag) readFetch(ctx context.Context, s *source, sink manifest.Sink) error {
	f, _, err := openFile(s.at)
	if err != nil {
		return fmt.Errorf("reading %s: %w", s.shown, err)
	}
	defer f.Close() // it was only read from
	return manifest.Read(s.format, f, s.opts, fetchSink{sink, b})
}

// fetchSink notes which files may still have to be fetched.
type fetchSink struct {
	manifest.Sink
	bag *bag
}

func (s fetchSink) Entry(e manifest.Entry) error {
	s.bag.run.found.fetch[s.bag.dir.below(e.Name).full()] = true
	return nil
}

// finish checks what holds of a bag as a whole, when all of its manifests were
// read.
func (b *bag) finish(ctx context.Context, s *source, sink manifest.Sink) error {
	if len(b.manifests) == 0 {
		if err := sink.Problem(manifest.Problem{Kind: manifest.Invalid, Text: "the bag has no manifest of its payload"}); err != nil {
			return err
		}
	}
	size, files, err := b.payload(ctx, sink)
	if err != nil {
		return err
	}
	if err := b.oxum(s.at, sink, size, files); err != nil {
		return err
	}
	if b.said.Version.AtLeast(manifest.Version{Major: 1}) {
		return b.inEvery(sink)
	}
	return nil
}

// payload measures what is in data/.
func (b *bag) payload(ctx context.Context, sink manifest.Sink) (size, files int64, err error) {
	data := b.dir.below("data")
	if info, err := data.root.Stat(data.local()); err != nil || !info.IsDir() {
		return 0, 0, sink.Problem(manifest.Problem{Kind: manifest.Invalid, Text: "the bag has no folder data"})
	}
	err = fs.WalkDir(data.root.FS(), data.name, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return ctx.Err() // what cannot be listed shows as missing
		}
		files++
		if info, err := e.Info(); err == nil {
			size += info.Size()
		}
		return ctx.Err()
	})
	return size, files, err
}

// oxum compares the payload with what bag-info.txt says of its size.
func (b *bag) oxum(at place, sink manifest.Sink, size, files int64) error {
	f, _, err := openFile(at)
	if err != nil {
		return nil // bag-info.txt is optional
	}
	defer f.Close() // it was only read from
	wantSize, wantFiles, ok, err := manifest.PayloadOxum(f, b.said.Encoding)
	if err != nil || !ok || wantSize == size && wantFiles == files {
		return err
	}
	return sink.Problem(manifest.Problem{Kind: manifest.Invalid, Text: fmt.Sprintf(
		"Payload-Oxum says %d bytes in %d files, and there are %d in %d", wantSize, wantFiles, size, files)})
}

// inEvery checks that every manifest lists every payload file, as BagIt does
// since 1.0.
func (b *bag) inEvery(sink manifest.Sink) error {
	if len(b.manifests) < 2 {
		return nil
	}
	payload := below(b.dir.below("data"))
	for i := range b.run.table.files {
		f := &b.run.table.files[i]
		if !payload(f.at.full()) {
			continue
		}
		in := map[string]bool{}
		said, _ := b.run.table.said(f)
		for _, s := range said {
			in[s.List.Name] = true
		}
		for _, m := range b.manifests {
			if in[m] {
				continue
			}
			name := strings.TrimPrefix(f.at.name, b.dir.name+"/")
			if err := sink.Problem(manifest.Problem{Kind: manifest.Invalid, Name: name, Text: fmt.Sprintf("%s does not list it, and since BagIt 1.0 every manifest must", m)}); err != nil {
				return err
			}
		}
	}
	return nil
}
