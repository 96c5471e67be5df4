package scrub

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/store"
)

// passSetting is where the catalog remembers the reading of everything that is
// under way.
const passSetting = "scrub/pass"

// passesLast is how long a pass can be gone on with: what was read before is
// not what somebody asks for who asks for everything.
const passesLast = 7 * 24 * time.Hour

// A pass is one reading of everything, by one run or by several of which all
// but the last were cut off.
type pass struct {
	Run   int64     `json:"run"` // the first
	Begun time.Time `json:"begun"`
	Scope string    `json:"scope"` // what it is about; only a run about the same goes on with it

	resumed bool
}

// scope says what a run with these options is about.
func (o Options) scope() string {
	scope := fmt.Sprintf("stores %q, names %q, buffered %t", o.Stores, strings.Join(o.Names.Patterns(), "\x00"), o.Buffered)
	if o.Names.ranged() {
		scope += fmt.Sprintf(", from %q to %q", o.Names.from, o.Names.to)
	}
	return scope
}

// takeUpPass goes on with the pass that the run before left, if it was about
// the same and was cancelled or killed; otherwise it begins one. Runs that are
// bounded or light are no passes.
func (l *ledger) takeUpPass(ctx context.Context) error {
	if l.opts.Light || l.opts.Bounds.Any() {
		return nil
	}
	l.pass = &pass{Begun: l.begun, Scope: l.opts.scope()}
	text, err := l.catalog.Setting(ctx, passSetting)
	if err != nil {
		return fmt.Errorf("look up how far the scrub before came: %w", err)
	}
	var before pass
	if text == "" || l.opts.Restart || json.Unmarshal([]byte(text), &before) != nil {
		return nil
	}
	age := l.begun.Sub(before.Begun)
	if before.Scope != l.pass.Scope || before.Run <= 0 || age < 0 || age > passesLast {
		return nil
	}
	before.resumed = true
	l.pass = &before
	l.rep.Note("this goes on with the scrub of %s, which was cut off; what that verified is not read again (--restart reads it too)",
		before.Begun.Local().Format(time.DateTime))
	return nil
}

// begin notes that the pass is under way.
func (p *pass) begin(tx *catalog.Tx, run int64) error {
	if !p.resumed {
		p.Run = run
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return tx.PutSetting(passSetting, string(text))
}

// end notes that everything was read.
func (p *pass) end(tx *catalog.Tx) error { return tx.PutSetting(passSetting, "") }

// goesOn tells whether the run goes on with what another one began.
func (p *pass) goesOn() bool { return p != nil && p.resumed }

// has tells whether the pass read the blob to its end in the state in which the
// store lists it now, and found it intact.
func (p *pass) has(k *catalog.Known, e *store.Entry) bool {
	if !p.goesOn() || k == nil || e == nil || e.Err != nil {
		return false
	}
	seen := k.Seen
	return seen != nil && seen.Run >= p.Run && !seen.VerifiedAt.Before(p.Begun) && seen.Generation == k.Generation &&
		(seen.Depth == catalog.DeepDirect || seen.Depth == catalog.DeepBuffered) &&
		e.Kind == k.Kind && e.Identity == seen.Identity
}
