package protect_test

import (
	"os"
	"testing"
	"time"
)

// What was written within the present tick of the file system's clock may be
// written again without another time: protect waits the tick out. A time that
// lies far in the future is no clock's, and is not waited for.
func TestAFileIsReadWhenAFurtherWriteWouldShow(t *testing.T) {
	w := newWorld(t, nil)
	for name, ahead := range map[string]time.Duration{"young": 1500*time.Millisecond + 1, "of tomorrow": 24*time.Hour + 1} {
		w.write(name, []byte("abc"))
		at := time.Now().Add(ahead)
		if err := os.Chtimes(w.path(name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	begun := time.Now()
	w.protect()
	if took := time.Since(begun); took < 1400*time.Millisecond || took > time.Hour {
		t.Errorf("protect took %v, and a file's time was 1.5 s ahead", took)
	}
}
