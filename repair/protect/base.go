package protect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
	"bitmend/repair/stripe"
	"bitmend/scrub/report"
)

// errNoBase is why a band cannot be written anew: a stripe of it can neither
// be encoded from its data nor taken over from the parity in force.
var errNoBase = errors.New("neither its data nor its parity is whole")

// base starts a new version of a band from the one in force. Stripes in which
// something was given up, and those whose parity is damaged, are encoded anew
// from all columns, every byte being held to its shard sum; the others are
// taken over.
func (u *unit) base(ctx context.Context, w *parity.BandWriter, band catalog.Band) error {
	var anew *touched
	if u.end != nil && !u.end.held[band.Number] {
		anew = u.end.stripes[band.Number]
	}
	b, err := u.gatherer.OpenBand(ctx, band, u.gone)
	if err != nil {
		return err
	}
	n := min(u.stripesOf(band.Number, u.before), u.stripesOf(band.Number, u.layout.Tops()))
	encode := func(ctx context.Context, s *parity.Stripe, n int) (bool, error) {
		return u.baseStripe(ctx, w, b, s, n, anew.has(n))
	}
	err = inOrder(ctx, u.opts.Workers, func() *parity.Stripe { return parity.NewStripe(u.geometry) }, count(n), encode, func(held bool) error {
		if held {
			u.hold(band.Number)
		}
		return nil
	})
	u.count(func(s *report.Summary) { s.BytesRead += b.BytesRead() })
	if err == nil && u.room.bands[band.Number] && u.end.held[band.Number] {
		err = errNoRoom
	}
	return errors.Join(err, b.Close())
}

func count(n int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
	}
}

// baseStripe brings one stripe into the accumulators. It is held when it had
// to be taken over although something in it was given up.
func (u *unit) baseStripe(ctx context.Context, w *parity.BandWriter, b *stripe.Band, s *parity.Stripe, n int, anew bool) (held bool, err error) {
	k := u.geometry.Data
	if !anew {
		whole, err := b.Parity(ctx, n, s.Shards[k:])
		if err != nil {
			return false, err
		}
		if whole {
			return false, w.LoadStripe(n, s.Shards[k:])
		}
	}
	lost := b.Fill(ctx, n, s, false)
	if lost == nil {
		return false, addStripe(w, u.geometry, s, n)
	}
	if !isLoss(lost) {
		return false, lost
	}
	if !anew || u.distrusted {
		return false, fmt.Errorf("stripe %d: %w: %w", n, errNoBase, lost)
	}
	whole, err := b.Parity(ctx, n, s.Shards[k:])
	if err != nil {
		return false, err
	}
	if !whole {
		return false, fmt.Errorf("stripe %d: %w: %w", n, errNoBase, lost)
	}
	u.count(func(s *report.Summary) { s.Parity.Damaged++ })
	u.rep.Note("the parity of stripe %d of set %d stays as it was: %v; run scrub and repair, then protect again",
		int(b.ID.Number)*parity.BandStripes+n, u.set.ID, lost)
	return true, w.LoadStripe(n, s.Shards[k:])
}

// isLoss tells whether every part of an error says that bytes are lost.
func isLoss(err error) bool {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			if !isLoss(e) {
				return false
			}
		}
		return true
	}
	var l *stripe.Loss
	return errors.As(err, &l) || errors.Is(err, stripe.ErrUnproven)
}

// addStripe encodes the data shards of a stripe.
func addStripe(w *parity.BandWriter, g parity.Geometry, s *parity.Stripe, n int) error {
	var columns []int
	var shards [][]byte
	for column := range g.Data {
		if !isZero(s.Shards[column]) {
			columns = append(columns, column)
			shards = append(shards, s.Shards[column])
		}
	}
	if len(columns) == 0 {
		return nil
	}
	return w.AddColumns(columns, int64(n)*g.ShardSize, shards)
}

func isZero(p []byte) bool {
	return len(p) == 0 || p[0] == 0 && bytes.Equal(p[:len(p)-1], p[1:])
}

// hold keeps what was given up in a band: its places stay, as erased.
func (u *unit) hold(band int64) {
	u.endingOf(u.set.ID).held[band] = true
	u.end = u.ends[u.set.ID]
}
