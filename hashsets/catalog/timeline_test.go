package catalog_test

import (
	"fmt"
	"testing"

	"bitmend/hashsets/catalog"
)

// recordedOn is generation n of a name, recorded on a day.
func recordedOn(name string, generation int64, on int) catalog.Record {
	r := record(name, generation)
	r.RecordedAt = day(on)
	return r
}

// lives fills a catalog with blobs that came, changed and went in January.
func lives(t *testing.T) *catalog.Catalog {
	t.Helper()
	c := create(t)
	update(t, c, func(tx *catalog.Tx) error {
		for _, r := range []catalog.Record{
			recordedOn("changed", 1, 2), recordedOn("changed", 2, 5), recordedOn("changed", 3, 9),
			recordedOn("clock-set-back", 1, 8), recordedOn("clock-set-back", 2, 4),
			recordedOn("constant", 1, 2),
			recordedOn("deleted", 1, 2),
			recordedOn("returned", 1, 2),
		} {
			if err := tx.PutRecord(r); err != nil {
				return err
			}
		}
		for name, on := range map[string]int{"deleted": 6, "returned": 4} {
			if err := tx.Vanish(name, day(on)); err != nil {
				return err
			}
		}
		if err := tx.PutRecord(recordedOn("returned", 2, 7)); err != nil {
			return err
		}
		return tx.Rename("constant", "renamed", day(8))
	})
	return c
}

func TestRecordsAreThoseOfTheTime(t *testing.T) {
	c := lives(t)
	for on, want := range map[int]string{
		1:  "",
		2:  "changed/1 constant/1 deleted/1 returned/1 ",
		4:  "changed/1 clock-set-back/2 constant/1 deleted/1 ",
		5:  "changed/2 clock-set-back/2 constant/1 deleted/1 ",
		6:  "changed/2 clock-set-back/2 constant/1 ",
		7:  "changed/2 clock-set-back/2 constant/1 returned/2 ",
		8:  "changed/2 clock-set-back/2 renamed/1 returned/2 ",
		20: "changed/3 clock-set-back/2 renamed/1 returned/2 ",
	} {
		t.Run(fmt.Sprintf("January %d", on), func(t *testing.T) {
			got := ""
			for r, err := range c.RecordsAt(t.Context(), day(on), catalog.Span{}) {
				must(r, err)
				got += fmt.Sprintf("%s/%d ", r.Name, r.Generation)
				now, err := c.Current(t.Context(), r.Name)
				if r.Current != (err == nil && now.Generation == r.Generation) {
					t.Errorf("%s/%d: Current is %v", r.Name, r.Generation, r.Current)
				}
			}
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	for r, err := range c.RecordsAt(t.Context(), day(20), catalog.Span{From: "d", To: "returned"}) {
		if must(r, err); r.Name != "renamed" {
			t.Errorf("%q lies outside of the span", r.Name)
		}
	}
}

func TestPruningForgetsWhatIsBeyondBothBounds(t *testing.T) {
	for _, c := range []struct {
		name string
		keep catalog.Retention
		want string // generations left of changed, deleted and returned
	}{
		{"nothing is kept but what is current", catalog.Retention{Since: day(30)}, "3  2"},
		{"one generation of what is recorded", catalog.Retention{Generations: 1, Since: day(30)}, "3,2  2,1"},
		{"what ended lately", catalog.Retention{Since: day(6)}, "3,2 1 2"},
		{"either bound keeps", catalog.Retention{Generations: 1, Since: day(6)}, "3,2 1 2,1"},
		{"all of it", catalog.Retention{Generations: 9, Since: day(1)}, "3,2,1 1 2,1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cat := lives(t)
			var forgotten int64
			update(t, cat, func(tx *catalog.Tx) error {
				for last := int64(0); ; { // two names at a time, to go on where it stopped
					n, next, err := tx.PruneHistory(c.keep, last, 2)
					forgotten += n
					if err != nil || next == 0 {
						return err
					}
					last = next
				}
			})
			got := fmt.Sprintf("%s %s %s", generationsOf(t, cat, "changed"), generationsOf(t, cat, "deleted"), generationsOf(t, cat, "returned"))
			if got != c.want {
				t.Errorf("left %q, want %q", got, c.want)
			}
			if problems := must(cat.Check(t.Context())); len(problems) > 0 {
				t.Errorf("the catalog does not check: %v", problems)
			}
		})
	}
}

func TestPruningKeepsWhatTheStripesHold(t *testing.T) {
	c := lives(t)
	update(t, c, func(tx *catalog.Tx) error {
		return tx.PutPlace(catalog.Place{Set: 1, Name: "changed", Generation: 1, Length: 10})
	})
	update(t, c, func(tx *catalog.Tx) error {
		_, _, err := tx.PruneHistory(catalog.Retention{Since: day(30)}, 0, 100)
		return err
	})
	if got := generationsOf(t, c, "changed"); got != "3,1" {
		t.Errorf("left %q, want the generation that has a place, and the current one", got)
	}
}

func TestAnEndedGenerationIsPutWithItsEnd(t *testing.T) {
	c := create(t)
	put(t, c, recordedOn("a", 2, 9))
	update(t, c, func(tx *catalog.Tx) error { return tx.PutEnded(recordedOn("a", 1, 3), day(9)) })
	for r, err := range c.RecordsAt(t.Context(), day(6), catalog.Span{}) {
		if must(r, err); r.Generation == 1 {
			return
		}
	}
	t.Error("the ended generation is not that of its time")
}

func generationsOf(t *testing.T, c *catalog.Catalog, name string) string {
	t.Helper()
	text := ""
	all, _ := c.Generations(t.Context(), name)
	for i, r := range all {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprint(r.Generation)
	}
	return text
}
