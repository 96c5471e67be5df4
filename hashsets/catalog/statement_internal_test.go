package catalog

import (
	"context"
	"errors"
	"testing"
)

// A statement that could not be prepared, since the lookup was cancelled, says
// so to the end.
func TestAStatementThatCouldNotBePreparedSaysSo(t *testing.T) {
	s := &statement{err: context.Canceled}
	s.arg(int64(1)).arg("text").argName("name")
	if s.next() {
		t.Error("it has a row")
	}
	if err := errors.Join(s.run(), s.end()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
