package repair

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"bitmend/hashsets"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// ErrPutBack is wrapped when a damaged original cannot be put back as asked.
var ErrPutBack = errors.New("cannot be put back")

// PutBack puts a copy of the quarantine back into its store: beside the blob,
// under a name that says so, or with inPlace under the blob's own name. What
// stands there is then kept in quarantine first, and everything is journalled
// and proven as in a repair. The copy itself stays in the quarantine.
//
// It returns the name under which the copy stands now.
func PutBack(ctx context.Context, v *vault.Vault, id string, inPlace bool, opts Options, rep report.Reporter) (string, report.Summary, error) {
	opts = opts.withDefaults()
	b := &puttingBack{run: newRun(v, opts, rep)}
	b.summary.Verb = "quarantine restore"
	err := b.all(ctx, id, inPlace)
	b.close(err)
	return b.name, b.summary, err
}

// A puttingBack is one execution of quarantine restore.
type puttingBack struct {
	*run
	kept   Kept
	name   string // where it goes
	target store.Writable
}

func (b *puttingBack) all(ctx context.Context, id string, inPlace bool) error {
	q, err := viewQuarantine(ctx, b.vault)
	if err != nil {
		return err
	}
	if b.kept, err = q.named(ctx, id); err != nil {
		return err
	}
	if b.kept.side == nil {
		return fmt.Errorf("%s %w: %s", b.kept.ID, ErrPutBack, notABlob(&b.kept))
	}
	b.name = b.kept.Blob
	if !inPlace {
		b.name += ".quarantined-" + b.kept.ID
	}
	if err := b.recoverAll(ctx); err != nil {
		return err
	}
	if err := b.openStores(ctx); err != nil {
		return err
	}
	p := &Planned{Store: b.kept.Store, Blob: b.name, Action: Replace, Kind: b.kept.Kind, Proofs: []string{"sha256"}}
	if c := b.config(p.Store); c == nil || c.Role == vault.Lagged {
		return fmt.Errorf("%s %w: store %q is not one that is written to", b.kept.ID, ErrPutBack, p.Store)
	}
	var end *ending
	if err := b.checkGates(ctx, p); errors.As(err, &end) {
		return fmt.Errorf("quarantine restore: %w", gate.ErrRefused)
	} else if err != nil {
		return err
	}
	if b.target = b.stores[p.Store]; b.target == nil {
		return fmt.Errorf("%s %w: store %q is not mounted", b.kept.ID, ErrPutBack, p.Store)
	}
	if err := b.startRun(ctx); err != nil {
		return err
	}
	b.run.plan = &Plan{}
	b.summary.Blobs = 1
	err = b.put(ctx, p)
	if errors.As(err, &end) {
		err = fmt.Errorf("%s %w: %w", b.kept.ID, ErrPutBack, end)
	}
	b.close(err)
	return errors.Join(err, b.finishRun(context.WithoutCancel(ctx)))
}

func notABlob(k *Kept) string {
	if k.Trouble != "" {
		return k.Trouble
	}
	return "it is a parity file, and was encoded anew"
}

// put carries it out under the protocol of a repair.
func (b *puttingBack) put(ctx context.Context, p *Planned) error {
	copied, err := b.quarantine().open(b.kept.ID)
	if err != nil {
		return fmt.Errorf("open what is kept: %w", err)
	}
	defer copied.Close()
	hashes, err := b.hashKept(ctx, copied)
	if err != nil {
		return err
	}
	j, err := b.jobFor(ctx, p, hashes)
	if err != nil {
		return err
	}
	if err := b.dirs.prepare(ctx, b.run, b.target, b.name); err != nil {
		return err
	}
	if j.planned.Kind == hashsets.Link {
		text, err := io.ReadAll(io.NewSectionReader(copied, 0, hashes.Size))
		if err != nil {
			return fmt.Errorf("read what is kept: %w", err)
		}
		j.record.Target, j.entry.LinkTarget, j.entry.Action = string(text), text, MakeLink
		if j.seen != nil && j.seen.Kind == hashsets.Link {
			if now, err := b.target.ReadLink(ctx, b.name); err == nil && now == j.record.Target {
				return skipped("the link leads there already")
			}
		}
		return b.placeLink(ctx, j)
	}
	err = b.begin(ctx, j)
	if err == nil {
		err = b.copyKept(ctx, j, copied)
	}
	return (&batch{run: b.run}).finishOrAbandon(ctx, j, err)
}

// hashKept holds the copy against the digest that was taken when it was kept,
// and returns what must be read back of it.
func (b *puttingBack) hashKept(ctx context.Context, copied *os.File) (hashsets.HashSet, error) {
	info, err := copied.Stat()
	if err != nil {
		return hashsets.HashSet{}, fmt.Errorf("look at what is kept: %w", err)
	}
	sum, err := sumOf(ctx, copied)
	if err != nil {
		return hashsets.HashSet{}, fmt.Errorf("read what is kept: %w", err)
	}
	if known := b.kept.side.SHA256; known != "" && known != hex.EncodeToString(sum) {
		return hashsets.HashSet{}, skipped("the copy was damaged in the quarantine: it is not what was kept")
	}
	return hashsets.HashSet{Size: info.Size(), Digests: []hashsets.Digest{{Algorithm: hashsets.SHA256, Sum: sum}}}, nil
}

// jobFor looks at what stands in the place.
func (b *puttingBack) jobFor(ctx context.Context, p *Planned, hashes hashsets.HashSet) (*job, error) {
	j := &job{planned: p, target: b.target, sources: map[SourceKind]int{FromQuarantine: 1}}
	j.record.Name, j.record.Kind, j.record.Hashes, j.record.Generation = b.name, b.kept.Kind, hashes, b.kept.Generation
	if side := b.kept.side; side.Attributes != nil {
		j.attrs = side.Attributes.plain()
		if side.Identity != nil {
			j.attrs.ModTime = side.Identity.ModTime
		}
	}
	seen, err := statOrNil(ctx, b.target, b.name)
	if err != nil {
		return nil, err
	}
	if j.seen = seen; seen != nil {
		switch {
		case b.name != b.kept.Blob:
			return nil, skipped("%q is there already", b.name)
		case seen.Kind != hashsets.File && seen.Kind != hashsets.Link:
			return nil, skipped("a %s stands in its place", kindWord(seen.Kind))
		case seen.Links > 1 && seen.Kind == hashsets.File:
			return nil, skipped("what stands in its place has %d names, and they would be parted: put it beside instead", seen.Links)
		}
		if was, err := b.target.Attributes(ctx, b.name); err == nil {
			j.was = &was
		}
	}
	j.entry = b.newEntry(j)
	j.entry.PutBack = true
	return j, nil
}

// copyKept fills the temporary file.
func (b *puttingBack) copyKept(ctx context.Context, j *job, from io.ReaderAt) error {
	buffer := b.buffers.get()
	defer b.buffers.put(buffer)
	for offset := int64(0); offset < j.record.Hashes.Size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		piece := buffer[:min(int64(len(buffer)), j.record.Hashes.Size-offset)]
		if _, err := from.ReadAt(piece, offset); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read what is kept: %w", err)
		}
		if err := b.write(j, piece, offset); err != nil {
			return err
		}
		offset += int64(len(piece))
	}
	return nil
}
