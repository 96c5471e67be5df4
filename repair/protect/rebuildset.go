package protect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
	"bitmend/repair/stripe"
)

// A setRebuild rebuilds what is known of one set from the lists of its bands.
type setRebuild struct {
	*rebuilding
	id    int64
	set   catalog.Set
	parts map[blobKey]*parts // of blobs that lie in several bands
}

type blobKey struct {
	name       string
	generation int64
}

// parts is what the lists of several bands say of one blob.
type parts struct {
	record  catalog.Record
	extents []parity.Extent
	bytes   int64
}

// band takes over what the files of one version of a band say.
func (s *setRebuild) band(ctx context.Context, number int64, v *versionFiles) error {
	first := v.readers[0]
	if s.set.Data == 0 {
		g := first.Geometry
		s.set = catalog.Set{ID: s.id, Data: g.Data, Parity: g.Parity, ShardSize: g.ShardSize, ColumnSize: g.ColumnSize,
			Stripes: parity.BandStripes, Code: parity.Code, Tops: make([]int64, g.Data)}
	}
	if first.Geometry != stripe.GeometryOf(s.set) {
		return fmt.Errorf("band %d has another shape than the bands before it", number)
	}
	band := catalog.Band{Set: s.id, Number: number, Version: v.version}
	for index := range s.set.Parity {
		f := catalog.ParityFile{Index: index, Name: parity.FileName(parity.BandID{Set: s.id, Number: number, Version: v.version}, index)}
		for _, reader := range v.readers {
			if reader.Index == index {
				hashes, err := s.hashFile(ctx, reader)
				if err != nil {
					return err
				}
				f.Hashes = hashes
			}
		}
		s.summary.Parity.Files++
		if len(f.Hashes.Digests) == 0 {
			s.summary.Parity.Damaged++
			s.rep.Note("parity file %s is damaged or missing; run repair", f.Name)
		}
		band.Files = append(band.Files, f)
	}
	s.later(func(tx *catalog.Tx) error { return tx.PutBand(band) })
	if err := s.list(ctx, v); err != nil {
		return err
	}
	return s.save(ctx, false)
}

// hashFile returns the hash set of a parity file that is whole; an empty one
// otherwise, so that nobody takes it for intact.
func (s *setRebuild) hashFile(ctx context.Context, f *parity.File) (hashsets.HashSet, error) {
	bad, err := f.Check(ctx)
	if err != nil || len(bad) > 0 {
		if ctx.Err() != nil {
			return hashsets.HashSet{}, ctx.Err()
		}
		return hashsets.HashSet{}, nil
	}
	h, err := hashWhole(ctx, s.home, f.Name(), []hashsets.Algorithm{hashsets.XXH64, hashsets.SHA256})
	s.summary.BytesRead += h.Size
	return h, err
}

// list takes over the list of a band, from all files that carry it.
func (s *setRebuild) list(ctx context.Context, v *versionFiles) error {
	for _, f := range v.readers {
		if !f.HasList {
			continue
		}
		whole := true
		for l, err := range f.List(ctx) {
			if errors.Is(err, parity.ErrDamaged) {
				whole = false
				continue
			}
			if err != nil {
				return err
			}
			if err := s.take(l); err != nil {
				return err
			}
			if err := s.save(ctx, false); err != nil {
				return err
			}
		}
		if whole {
			return nil
		}
	}
	s.rep.Note("no whole list of what lies in band %d of set %d could be read", v.readers[0].ID.Number, s.id)
	return nil
}

// take takes over one entry of a list.
func (s *setRebuild) take(l parity.Listed) error {
	s.set.Tops[l.Column] = max(s.set.Tops[l.Column], l.Offset+l.Length)
	record := catalog.Record{
		Name: l.Name, Generation: l.Generation, RecordedAt: timeAt(l.RecordedAt), Kind: l.Kind,
		Identity: l.Identity, Attributes: l.Attributes, Target: l.Target, Hashes: l.Hashes,
	}
	if l.BlobOffset == 0 && l.Length == l.Hashes.Size {
		s.put(record, []parity.Extent{l.Extent})
		return nil
	}
	key := blobKey{l.Name, l.Generation}
	p := s.parts[key]
	if p == nil {
		p = &parts{record: record}
		p.record.Hashes.ShardSums = make([]uint64, hashsets.Shards(l.Hashes.Size, l.Hashes.ShardSize))
		s.parts[key] = p
	}
	if l.Hashes.Size != p.record.Hashes.Size || l.Hashes.ShardSize != p.record.Hashes.ShardSize {
		return fmt.Errorf("the lists of two bands disagree on %q", l.Name)
	}
	if slices.Contains(p.extents, l.Extent) {
		return nil // the list of another file said so
	}
	if len(l.Hashes.Digests) > 0 {
		p.record.Hashes.Digests = l.Hashes.Digests
	}
	copy(p.record.Hashes.ShardSums[l.BlobOffset/l.Hashes.ShardSize:], l.Hashes.ShardSums)
	p.extents = append(p.extents, l.Extent)
	p.bytes += l.Length
	return nil
}

// put records a blob and where it lies, unless that is known already: from
// another copy of the list, or from a set that was written later.
func (s *setRebuild) put(record catalog.Record, extents []parity.Extent) {
	if record.Kind != hashsets.Directory {
		s.summary.Blobs++
	}
	s.later(func(tx *catalog.Tx) error {
		there, err := tx.PlacesOf(record.Name, record.Generation)
		if err != nil || len(there) > 0 {
			return err
		}
		if len(record.Hashes.Digests) > 0 || record.Kind != hashsets.File {
			if err := tx.PutRecord(record); err != nil {
				return err
			}
		}
		for _, x := range extents {
			if err := tx.PutPlace(catalog.Place{
				Set: s.id, Column: x.Column, Offset: x.Offset, Length: x.Length,
				Name: record.Name, Generation: record.Generation, BlobOffset: x.BlobOffset,
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

// finish records the blobs that lie in several bands, and the set.
func (s *setRebuild) finish(ctx context.Context) error {
	for _, p := range s.parts {
		slices.SortFunc(p.extents, func(x, y parity.Extent) int { return cmp.Compare(x.BlobOffset, y.BlobOffset) })
		if p.bytes != p.record.Hashes.Size {
			// Its places stay known, as bytes that nobody can vouch for.
			s.rep.Note("%q cannot be recorded: the parity files say only part of it", p.record.Name)
			p.record.Hashes.Digests = nil
		}
		s.put(p.record, joined(p.extents))
		if err := s.save(ctx, false); err != nil {
			return err
		}
	}
	if s.set.Data > 0 {
		s.later(func(tx *catalog.Tx) error {
			_, err := tx.PutSet(s.set)
			return err
		})
	}
	return s.save(ctx, true)
}

// joined joins extents that were cut at the borders of bands.
func joined(extents []parity.Extent) []parity.Extent {
	var whole []parity.Extent
	for _, x := range extents {
		if n := len(whole); n > 0 {
			last := &whole[n-1]
			if last.Column == x.Column && last.Offset+last.Length == x.Offset && last.BlobOffset+last.Length == x.BlobOffset {
				last.Length += x.Length
				continue
			}
		}
		whole = append(whole, x)
	}
	return whole
}
