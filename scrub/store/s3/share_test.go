package s3

import "testing"

func TestObjectsThatAreReadSideBySideShareThePartsAhead(t *testing.T) {
	b := &Bucket{options: Options{ReadSize: 10, ReadAhead: 16}}
	b.slow.Store(true)
	for _, c := range []struct{ objects, share, stretch int64 }{
		{0, 16, 10}, {1, 16, 10}, {4, 4, 10}, {16, 1, 10},
		{17, 0, 1000}, {64, 0, 1000}, // they fill the link by themselves
	} {
		b.whole.Store(c.objects)
		if b.share() != int(c.share) || b.stretch(1000) != c.stretch {
			t.Errorf("%d objects: each may have %d parts ahead and asks for %d bytes, want %d and %d", c.objects, b.share(), b.stretch(1000), c.share, c.stretch)
		}
	}
	b.slow.Store(false)
	if b.whole.Store(1); b.stretch(1000) != 1000 {
		t.Errorf("over a quick connection it asks for %d bytes of 1000", b.stretch(1000))
	}
}
