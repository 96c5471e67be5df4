package scrub

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"bitmend/hashsets/catalog"
)

// turnSetting is where the catalog remembers how far the turn through the
// parity files is.
const turnSetting = "scrub/parity"

// A parityTurn is how far the reading of all bands, one after the other, is.
type parityTurn struct {
	Next  position  `json:"next"`  // the band to be read next
	Begun time.Time `json:"begun"` // when the turn began: bands before Next were read since then
	Last  time.Time `json:"last"`  // when the turn before it began: all bands were read since then; zero when there was none
}

// A position is the place of a band in the order in which they are read; the
// zero position is the beginning.
type position struct {
	Set  int64 `json:"set"`
	Band int64 `json:"band"`
}

func (p position) before(q position) bool {
	return p.Set < q.Set || p.Set == q.Set && p.Band < q.Band
}

// finish ends the turn: the next one begins with the first band.
func (t *parityTurn) finish() { *t = parityTurn{Last: t.Begun} }

// lastTurn returns how far the run before has come. A note that cannot be read,
// or that a clock wrote which was ahead, costs a turn and nothing else.
func (l *ledger) lastTurn(ctx context.Context) (parityTurn, error) {
	text, err := l.catalog.Setting(ctx, turnSetting)
	if err != nil || text == "" {
		return parityTurn{}, err
	}
	var turn parityTurn
	if err := json.Unmarshal([]byte(text), &turn); err != nil || turn.Begun.After(l.begun) || turn.Last.After(l.begun) {
		return parityTurn{}, nil
	}
	return turn, nil
}

func (l *ledger) saveTurn(ctx context.Context, turn parityTurn) error {
	text, err := json.Marshal(turn)
	if err == nil {
		err = l.catalog.Update(context.WithoutCancel(ctx), func(tx *catalog.Tx) error {
			return tx.PutSetting(turnSetting, string(text))
		})
	}
	if err != nil {
		return fmt.Errorf("note how far the parity files are read: %w", err)
	}
	return nil
}

// overdueParity counts the parity files that were not read within maxAge. When
// a file was written is not recorded: before the first turn begins, nothing can
// be said of them.
func (l *ledger) overdueParity(ctx context.Context, maxAge time.Duration) (overdue int64, err error) {
	turn, err := l.lastTurn(ctx)
	if err != nil {
		return 0, err
	}
	late := func(looked time.Time) bool { return !looked.IsZero() && l.now().Sub(looked) > maxAge }
	behind := turn.Last
	if behind.IsZero() {
		behind = turn.Begun
	}
	if !late(behind) {
		return 0, nil
	}
	for band, err := range l.catalog.Bands(ctx, 0) {
		if err != nil {
			return 0, fmt.Errorf("read the bands from the catalog: %w", err)
		}
		if at := (position{band.Set, band.Number}); !at.before(turn.Next) || late(turn.Begun) {
			overdue += int64(len(band.Files))
		}
	}
	return overdue, nil
}
