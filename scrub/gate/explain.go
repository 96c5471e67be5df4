package gate

import (
	"fmt"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/vault"
)

// An Explanation is what a person needs to know of an open gate, besides the
// evidence, which is the gate's reason.
type Explanation struct {
	Meaning string   // one sentence
	WaysOut []string // what to look at and which command to run, likeliest first
}

// Explain says what a gate means and how to get out of it. command writes a
// command line of bitmend for the vault.
func Explain(g catalog.Gate, cfg *vault.Config, command func(verb string) string) Explanation {
	clear := fmt.Sprintf(`%s %d --reason "…"`, command("gates clear"), g.ID)
	e := explanationOf(g, cfg, command)
	e.WaysOut = append(e.WaysOut, fmt.Sprintf("when a person has looked and it is right to go on: %s", clear))
	return e
}

func explanationOf(g catalog.Gate, cfg *vault.Config, command func(verb string) string) Explanation {
	ofStore := " --store " + g.Store
	switch g.Name {
	case Unmounted:
		return Explanation{"The store does not look like the one it was, so that everything in it would seem to be missing.", []string{
			"mount it where the configuration says, or mend its url in " + vault.ConfigFile,
			"it is a new and empty disk or server: fill it anew from the other copies and parity by " + command("repair") + ofStore + " --reseed",
			"if it was moved or emptied on purpose, clear the gate: what is there then counts",
		}}
	case MassDamage:
		return Explanation{"So much damage at once is rather a disk, a controller or memory that fails than chance; writing to it could make it worse.", []string{
			"look at the host first: its kernel's log, SMART, cables, memory",
			"see what is damaged, and what it can be rebuilt from: " + command("repair") + " --plan" + ofStore,
		}}
	case MassMissing:
		return Explanation{"So many blobs at once go by mistake (rm -r, a wrong sync) or with a directory that is not mounted; recording it would forget them.", []string{
			"they were deleted by mistake: clear the gate, then " + command("repair") + ofStore,
			"they were deleted on purpose: clear the gate, then " + command("protect") + " --accept GLOB, as 'folder/**'",
		}}
	case MassChange:
		return Explanation{"So many blobs at once are written by a deployment, a migration or somebody who encrypts them; recording it would make the present bytes the right ones.", append(holdAdvice(cfg),
			"nobody meant it: clear the gate, review "+command("repair")+" --plan --revert GLOB --out FILE, then bitmend repair FILE",
			"it is right: clear the gate, then "+command("protect"),
		)}
	case Poisoned:
		return Explanation{"All current copies agree with each other and not with what is recorded: a bad write that spread. No majority beats the record.", append(holdAdvice(cfg),
			"good bytes can come from a lagged store, older versions, parity, the quarantine or a donor: "+command("repair")+" --plan --revert GLOB --out FILE [--donor URL]",
			"the present bytes are the right ones: clear the gate, then "+command("protect"),
		)}
	case BadRepair:
		return Explanation{"What bitmend wrote and proved did not read back as proven: the medium, the service or bitmend cannot be trusted with more.", []string{
			"look at the disk or the service; the damaged original is in the vault's quarantine, and the journal knows how to go on",
			"clear the gate, then " + command("repair") + ofStore,
		}}
	case BadCatalog:
		return Explanation{"Records cannot be held against anything: they fail their checks and no copy of them, in parity files or exports, heals them, or the parity files that they were made from may be another vault's.", []string{
			"see which: " + command("catalog check"),
			"put back an export, or the parity files that belong here, and make the catalog anew: " + command("catalog rebuild"),
			"the bytes are right: clear the gate, then " + command("protect") + " --accept GLOB",
		}}
	}
	return Explanation{Meaning: "This bitmend does not know the gate."}
}

// holdAdvice says what keeps the last good copies.
func holdAdvice(cfg *vault.Config) []string {
	if len(cfg.Hold.Command) > 0 || !hasLagged(cfg) {
		return nil
	}
	return []string{"first stop what copies to the lagged stores: no hold command is configured"}
}

func hasLagged(cfg *vault.Config) bool {
	for _, s := range cfg.Stores {
		if s.Role == vault.Lagged {
			return true
		}
	}
	return false
}
