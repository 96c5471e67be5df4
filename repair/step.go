package repair

// Point names a durable step of a repair, in the order in which they come.
type Point string

// The points. Killing bitmend before or after any of them leaves either the
// damaged original or the verified replacement.
const (
	Journalled  Point = "journalled"  // the journal knows that the repair began
	StagedFile  Point = "staged"      // the temporary file was made
	Assembled   Point = "assembled"   // every shard of it is in place
	Sealed      Point = "sealed"      // it is durable, with its attributes
	Verified    Point = "verified"    // it was read back and every digest matches
	Quarantined Point = "quarantined" // the damaged original is kept; behind a network this may come before Assembled
	Placing     Point = "placing"     // the journal knows that it is about to be put in place
	Placed      Point = "placed"      // it stands under its name
	Discarded   Point = "discarded"   // the temporary file is gone
	Recorded    Point = "recorded"    // the catalog has the receipt
	Forgotten   Point = "forgotten"   // the journal entry is gone
)

// A Step is one durable step of one repair.
type Step struct {
	Receipt string // ID of the repair
	Store   string
	Blob    string
	Point   Point
	Done    bool // false before the step, true after it
}

// step carries out one durable step between its two announcements.
func (r *run) step(e *entry, p Point, do func() error) error {
	s := Step{Receipt: e.ID, Store: e.Store, Blob: e.name(), Point: p}
	r.announce(s)
	if err := do(); err != nil {
		return err
	}
	s.Done = true
	r.announce(s)
	return nil
}

func (r *run) announce(s Step) {
	if r.opts.OnStep != nil {
		r.opts.OnStep(s)
	}
}
