package store

import "testing"

func TestTheCacheIsAskedUntilAllInARowWasThereAndNowAndThen(t *testing.T) {
	var w warmth
	guesses := func(files int) (n int) {
		for range files {
			if w.guess() {
				n++
			}
			w.note(true)
		}
		return n
	}
	if n := guesses(warmRow); n != 0 {
		t.Errorf("%d guesses before so many were there in a row", n)
	}
	if n := guesses(10 * askEvery); n != 10*(askEvery-1) {
		t.Errorf("%d guesses of %d", n, 10*askEvery)
	}
	w.note(false)
	if n := guesses(warmRow); n != 0 {
		t.Errorf("%d guesses after one that was wrong", n)
	}
	w.never.Store(true)
	if n := guesses(warmRow); n != 0 {
		t.Errorf("%d guesses where no read can be told not to wait", n)
	}
}
