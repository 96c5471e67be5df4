package catalog

import (
	"errors"
	"path/filepath"
	"testing"
)

func TestMigrationsGoForwardOneByOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.sqlite")
	c, err := Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	steps := make([]string, schemaVersion-1, schemaVersion+2) // those that are behind it
	steps = append(steps,
		`CREATE TABLE added (x INTEGER); INSERT INTO added VALUES (1)`,
		`UPDATE added SET x = x + 1; CREATE INDEX added_by_x ON added(x)`)
	if err := migrate(c.writer, schemaVersion, steps); err != nil {
		t.Fatal(err)
	}
	if v, err := schemaVersionOf(c.writer); err != nil || v != schemaVersion+2 {
		t.Errorf("version %d, %v", v, err)
	}
	if x, err := c.writer.number(`SELECT x FROM added`); err != nil || x != 2 {
		t.Errorf("x is %d, %v", x, err)
	}
	// A step that fails leaves the version before it.
	steps = append(steps, `UPDATE added SET x = 5; SELECT no_such_function()`)
	if err := migrate(c.writer, schemaVersion+2, steps); err == nil {
		t.Error("a broken step passed")
	}
	if v, err := schemaVersionOf(c.writer); err != nil || v != schemaVersion+2 {
		t.Errorf("version %d, %v", v, err)
	}
	if x, err := c.writer.number(`SELECT x FROM added`); err != nil || x != 2 {
		t.Errorf("x is %d, %v", x, err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	// There is no way back.
	if _, err := Open(t.Context(), path); !errors.Is(err, ErrNewer) {
		t.Errorf("a newer catalog: %v", err)
	}
	if _, err := OpenReadOnly(t.Context(), path); !errors.Is(err, ErrNewer) {
		t.Errorf("a newer catalog: %v", err)
	}
}
