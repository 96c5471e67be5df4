package repair

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"bitmend/scrub/store"
)

// ErrOtherVault is returned for a plan that was made of another vault, or
// before the catalog was made anew.
var ErrOtherVault = errors.New("the plan was made of another vault, or before its catalog was made anew: make a new plan")

// place says where a repair is to be done.
type place struct{ store, blob string }

// restrict leaves of the present plan what an approved one has as well. What
// is not as it was planned is left alone, with the reason. What the approved
// one does not have is not touched; extra counts it.
func (p *Plan) restrict(approved *Plan) (extra int, err error) {
	if p.Catalog != approved.Catalog {
		return 0, ErrOtherVault
	}
	now := make(map[place]int, len(p.Repairs))
	for i := range p.Repairs {
		now[place{p.Repairs[i].Store, p.Repairs[i].Blob}] = i
	}
	why := make(map[place]string, len(p.Left))
	for _, l := range p.Left {
		why[place{l.Store, l.Blob}] = l.Reason
	}
	kept, left := []Planned{}, []Left(nil)
	for i := range approved.Repairs {
		was := &approved.Repairs[i]
		at := place{was.Store, was.Blob}
		reason := why[at]
		if j, planned := now[at]; planned {
			reason = was.differs(&p.Repairs[j])
			if reason == "" {
				kept = append(kept, p.Repairs[j])
				continue
			}
			reason = "it is not as it was planned: " + reason + "; make a new plan"
		}
		if reason == "" {
			reason = "nothing is to be done about it any more"
		}
		left = append(left, Left{Store: was.Store, Blob: was.Blob, Verdict: was.Verdict, Reason: reason})
	}
	extra = len(p.Repairs) - len(kept)
	for _, l := range left {
		if _, planned := now[place{l.Store, l.Blob}]; planned {
			extra--
		}
	}
	p.ID, p.Repairs, p.Left = approved.ID, kept, left
	return extra, nil
}

// differs says what has changed since p was planned; "" when nothing has that
// matters. Grade and reason are those of now.
func (p *Planned) differs(now *Planned) string {
	switch {
	case p.Action != now.Action:
		return fmt.Sprintf("it called for %s and calls for %s now", p.Action, now.Action)
	case p.Generation != now.Generation || !reflect.DeepEqual(p.Digests, now.Digests):
		return "something else is recorded of it"
	case !reflect.DeepEqual(p.Expect, now.Expect):
		return "something else stands in its place"
	case p.Verdict != now.Verdict || p.Revert != now.Revert:
		return fmt.Sprintf("it was %s and is %s", p.Verdict, now.Verdict)
	case !slices.Equal(p.Ranges, now.Ranges):
		return "other ranges of it must be rebuilt"
	case !slices.Equal(p.Names, now.Names):
		return "it has other names"
	case now.Grade == Investigate && p.Grade != Investigate:
		return "it needs a person to look at it: " + now.Reason
	}
	for _, s := range p.Sources {
		if !now.has(s) {
			return fmt.Sprintf("its source %s is not there any more", s)
		}
	}
	return ""
}

// has tells whether a source is there with at least the ranges that it had.
// More sources, or more of them, harm nothing: all bytes are proven.
func (p *Planned) has(wanted Source) bool {
	return slices.ContainsFunc(p.Sources, func(s Source) bool {
		return s.Kind == wanted.Kind && s.From == wanted.From && covers(s.Ranges, wanted.Ranges)
	})
}

// covers tells whether every wanted range lies in one that is there. Both
// ascend and do not touch within themselves.
func covers(there, wanted []store.Range) bool {
	for _, w := range wanted {
		if !slices.ContainsFunc(there, func(r store.Range) bool {
			return r.Offset <= w.Offset && w.Offset+w.Length <= r.Offset+r.Length
		}) {
			return false
		}
	}
	return true
}

func (s Source) String() string {
	if s.From == "" {
		return string(s.Kind)
	}
	return fmt.Sprintf("%s %q", s.Kind, s.From)
}
