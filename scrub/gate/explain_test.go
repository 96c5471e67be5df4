package gate_test

import (
	"strings"
	"testing"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/gate"
	"bitmend/scrub/vault"
)

func TestEachGateIsExplained(t *testing.T) {
	cfg := vault.DefaultConfig(
		vault.StoreConfig{Name: "primary", URL: "/p", Role: vault.Primary},
		vault.StoreConfig{Name: "lag", URL: "/l", Role: vault.Lagged},
	)
	command := func(verb string) string { return "bitmend " + verb + " photos" }
	said := map[string]bool{}
	for _, name := range []string{gate.Unmounted, gate.MassDamage, gate.MassMissing, gate.MassChange, gate.Poisoned, gate.BadRepair, gate.BadCatalog} {
		e := gate.Explain(catalog.Gate{ID: 7, Name: name, Store: "primary"}, &cfg, command)
		if strings.Contains(e.Meaning, "does not know") || said[e.Meaning] || !strings.HasSuffix(e.Meaning, ".") {
			t.Errorf("%s means %q", name, e.Meaning)
		}
		said[e.Meaning] = true
		last := e.WaysOut[len(e.WaysOut)-1]
		if len(e.WaysOut) < 3 || !strings.Contains(last, `bitmend gates clear photos 7 --reason`) {
			t.Errorf("the ways out of %s are %q", name, e.WaysOut)
		}
	}
	poisoned := gate.Explain(catalog.Gate{ID: 7, Name: gate.Poisoned}, &cfg, command)
	if !strings.Contains(poisoned.WaysOut[0], "no hold command") {
		t.Errorf("nothing is said of the lagged store: %q", poisoned.WaysOut)
	}
	cfg.Hold.Command = []string{"hold"}
	if held := gate.Explain(catalog.Gate{ID: 7, Name: gate.Poisoned}, &cfg, command); len(held.WaysOut) != len(poisoned.WaysOut)-1 {
		t.Errorf("with a hold command: %q", held.WaysOut)
	}
}
