package stripe

import (
	"context"
	"errors"
	"fmt"

	"bitmend/hashsets"
	"bitmend/repair/parity"
	"bitmend/scrub/store"
)

// A filling is the work on one stripe.
type filling struct {
	band       *Band
	window     *window
	stripe     int
	into       *parity.Stripe
	withParity bool
	targets    []target // what is wanted of this stripe; nil when everything is

	erased   []content // what must be rebuilt
	gone     []content
	withheld error // why bytes of the stripe could not be asked for, or nil
}

// A content is what lies at one place, under all of its names.
type content struct {
	piece
	names []piece
}

// A loss is a content that could not be rebuilt.
type loss struct {
	content
	why error
}

// run fills the stripe and returns what is still erased.
func (f *filling) run(ctx context.Context) ([]loss, error) {
	f.into.Reset()
	pieces := f.window.stripe(f.stripe)
	for len(pieces) > 0 {
		n := 1
		for n < len(pieces) && pieces[n].samePlace(pieces[0]) {
			n++
		}
		c := content{piece: pieces[0], names: pieces[:n]}
		pieces = pieces[n:]
		if err := f.bring(ctx, c); err != nil {
			return nil, err
		}
	}
	if len(f.erased) > 0 || f.withParity {
		if err := f.bringParity(ctx); err != nil {
			return nil, err
		}
	}
	losses := f.rebuild()
	for _, c := range f.gone {
		clear(f.shard(c.piece))
	}
	return losses, nil
}

func (f *filling) shard(p piece) []byte { return f.into.Shards[p.column][p.at : p.at+p.length] }

// bring reads one content from the stores, or marks it as erased.
func (f *filling) bring(ctx context.Context, c content) error {
	live := f.live(c)
	if len(live) == 0 {
		f.erase(c.piece)
		f.gone = append(f.gone, c)
		return nil
	}
	c.piece = live[0]
	if f.targets != nil && !f.wanted(c.piece) {
		if !f.needed(c.piece) {
			f.erase(c.piece)
			return nil
		}
	}
	found, err := f.read(ctx, f.withoutTargets(live))
	if err != nil || found {
		return err
	}
	f.erase(c.piece)
	if f.targets == nil || f.wanted(c.piece) {
		f.erased = append(f.erased, c)
	}
	return nil
}

// live returns the names of a content that are not gone.
func (f *filling) live(c content) []piece {
	if f.band.gone == nil {
		return c.names
	}
	var live []piece
	for _, p := range c.names {
		if id := f.window.blobs[p.blob]; !f.band.gone(id.name, id.generation) {
			live = append(live, p)
		}
	}
	return live
}

// needed tells whether a piece can help to rebuild what is wanted: only where
// it overlaps with it in the shards.
func (f *filling) needed(p piece) bool {
	for _, t := range f.targets {
		if p.at < t.at+t.length && t.at < p.at+p.length {
			return true
		}
	}
	return false
}

func (f *filling) wanted(p piece) bool {
	for _, t := range f.targets {
		if t.column == int(p.column) && t.at == p.at && t.length == p.length {
			return true
		}
	}
	return false
}

// withoutTargets leaves out the names under which the bytes are known to be
// damaged.
func (f *filling) withoutTargets(names []piece) []piece {
	if f.targets == nil {
		return names
	}
	var others []piece
	for _, p := range names {
		id := f.window.blobs[p.blob]
		damaged := false
		for _, t := range f.targets {
			damaged = damaged || t.blob == id && t.shard == int(p.shard)
		}
		if !damaged {
			others = append(others, p)
		}
	}
	return others
}

// read brings the bytes of a content from the first store that has them as
// they were recorded.
func (f *filling) read(ctx context.Context, names []piece) (bool, error) {
	var refused error
	for from := range f.band.readers.stores {
		for _, p := range names {
			if !p.known {
				continue
			}
			bytes := f.shard(p)
			offset := int64(p.shard) * f.band.Set.ShardSize
			absent, err := f.band.readers.readAt(ctx, from, f.window.blobs[p.blob].name, bytes, offset)
			if err != nil {
				return false, f.reading(from, p, err)
			}
			if absent != nil {
				if withheld(absent) && refused == nil {
					refused = f.reading(from, p, absent)
				}
				continue
			}
			f.band.read.Add(p.length)
			if hashsets.ShardSum(bytes) == p.sum {
				return true, nil
			}
		}
	}
	if f.withheld == nil {
		f.withheld = refused
	}
	return false, nil
}

// reading says what was being read when err came.
func (f *filling) reading(from int, p piece, err error) error {
	return fmt.Errorf("read %q in store %q: %w", f.window.blobs[p.blob].name, f.band.readers.stores[from].Name(), err)
}

func (f *filling) erase(p piece) {
	clear(f.shard(p))
	f.into.Erase(int(p.column), store.Range{Offset: p.at, Length: p.length})
}

// bringParity reads as many parity shards as there can be erasures; all of
// them with withParity.
func (f *filling) bringParity(ctx context.Context) error {
	k, m := f.band.Set.Data, f.band.Set.Parity
	want := 0
	for column := range k {
		if len(f.into.Erased[column]) > 0 {
			want++
		}
	}
	if f.withParity {
		want = m
	}
	whole := store.Range{Length: f.band.Set.ShardSize}
	for j := range m {
		good := false
		if want > 0 {
			var err error
			if good, err = f.band.parityShard(ctx, j, f.stripe, f.into.Shards[k+j]); err != nil {
				return fmt.Errorf("read parity of band %d of set %d: %w", f.band.ID.Number, f.band.ID.Set, err)
			}
		}
		if good {
			want--
		} else {
			f.into.Erase(k+j, whole)
		}
	}
	return nil
}

// rebuild rebuilds what is erased and believes only what matches its sum.
func (f *filling) rebuild() []loss {
	if len(f.erased) == 0 {
		return nil
	}
	var columns []int
	for _, c := range f.erased {
		if n := len(columns); n == 0 || columns[n-1] != int(c.column) {
			columns = append(columns, int(c.column))
		}
	}
	beyond := beyondErrors(f.band.geometry.Rebuild(f.into, columns))
	var losses []loss
	for _, c := range f.erased {
		if why := f.prove(c, beyond); why != nil {
			f.into.Erase(int(c.column), store.Range{Offset: c.at, Length: c.length})
			if f.withheld != nil {
				why = &Withheld{Loss: why, Cause: f.withheld}
			}
			losses = append(losses, loss{c, why})
		}
	}
	return losses
}

// prove returns why a content is not rebuilt, or nil.
func (f *filling) prove(c content, beyond []error) error {
	for _, err := range beyond {
		var b *parity.BeyondError
		if !errors.As(err, &b) {
			return err
		}
		if b.Range.Offset < c.at+c.length && c.at < b.Range.Offset+b.Range.Length {
			return &Loss{
				Set: f.band.Set.ID, Band: f.band.ID.Number, Stripe: int(f.band.ID.Number)*f.band.Set.Stripes + f.stripe,
				Range: store.Range{Offset: c.at, Length: c.length}, Bad: b.Bad, Bears: b.Bears,
			}
		}
	}
	for _, p := range c.names {
		if p.known && hashsets.ShardSum(f.shard(p)) == p.sum {
			return nil
		}
	}
	return fmt.Errorf("shard %d of %q, in stripe %d of set %d: %w", c.shard, f.window.blobs[c.blob].name,
		int(f.band.ID.Number)*f.band.Set.Stripes+f.stripe, f.band.Set.ID, ErrUnproven)
}

// beyondErrors takes joined errors apart.
func beyondErrors(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}
