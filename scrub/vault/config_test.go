package vault

import (
	"math"
	"strings"
	"testing"
	"time"

	"bitmend/hashsets"
	"bitmend/scrub/pace"

	"github.com/google/go-cmp/cmp"
)

// minimal is a configuration with nothing but what must be there.
const minimal = "version = 1\n[[store]]\nname = \"primary\"\nurl = \"/srv/photos\"\n"

func TestParseFillsInDefaults(t *testing.T) {
	got, _, err := parse("bitmend.toml", minimal)
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig(StoreConfig{Name: "primary", URL: "/srv/photos", Role: Primary})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.ShardSize != 65536 || got.Overhead != 0.1 {
		t.Errorf("the defaults are %d bytes a shard and an overhead of %v, want 65536 and 0.1", got.ShardSize, got.Overhead)
	}
}

func TestParseReadsEveryKey(t *testing.T) {
	got, _, err := parse("bitmend.toml", `
version = 1
[checksums]
algorithms = ["xxh64", "blake3"]
shard_size = "16 KiB"
[parity]
overhead = "25%"
data = 20
parity = 5
column_size = "512MiB"
url = "/mnt/parity"
[[store]]
name = "copy"
url = "../copy"
[[store]]
name = "main"
url = "file:///srv/my%20photos"
role = "primary"
immutable = true
[[store]]
name = "lag"
url = "./lag:1"
role = "lagged"
lag = "168h"
[[mirror]]
url = "/mnt/mirror"
[[mirror]]
url = "s3://mirrors/photos"
[gates.mass-damage]
count = 5
percent = "2.5%"
[gates.mass-missing]
count = 6
[gates.mass-change]
percent = "100%"
encrypted = 7
[gates.poisoned]
count = 3
[gates.bad-repair]
count = 4
[gates.catalog]
count = 5
[hold]
command = ["/bin/hold", "a b"]
timeout = "90s"
[notify]
command = ["/bin/tell"]
url = "https://hooks.example.org/x?y"
heartbeat = "http://ping.example.org:81/z"
timeout = "5s"
[history]
keep_generations = 3
keep_for = "48h"
[quarantine]
keep_for = "24h"
max_size = "1GiB"
[scrub]
max_age = "30d"
limit_rate = "50MB/s"
limit_iops = 200
workers = 3
back_off = "35ms"
idle = true
hours = "22:30-06:00"
`)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Algorithms: []hashsets.Algorithm{"xxh64", "blake3"},
		ShardSize:  16 << 10,
		Overhead:   0.25,
		Data:       20,
		Parity:     5,
		ColumnSize: 512 << 20,
		ParityURL:  "/mnt/parity",
		Stores: []StoreConfig{
			{Name: "copy", URL: "../copy", Role: Replica},
			{Name: "main", URL: "file:///srv/my%20photos", Role: Primary, Immutable: true},
			{Name: "lag", URL: "./lag:1", Role: Lagged, Lag: 7 * 24 * time.Hour},
		},
		Mirrors:     []string{"/mnt/mirror", "s3://mirrors/photos"},
		MassDamage:  GateLimits{5, 2.5},
		MassMissing: GateLimits{6, 0.5},
		MassChange:  GateLimits{10, 100},
		Encrypted:   7,
		Poisoned:    GateLimits{3, 0},
		BadRepairs:  4,
		BadRecords:  5,
		Hold:        HoldConfig{[]string{"/bin/hold", "a b"}, 90 * time.Second},
		Notify:      NotifyConfig{[]string{"/bin/tell"}, "https://hooks.example.org/x?y", "http://ping.example.org:81/z", 5 * time.Second},
		History:     HistoryLimits{3, 48 * time.Hour},
		Quarantine:  QuarantineLimits{24 * time.Hour, 1 << 30},
		MaxAge:      30 * 24 * time.Hour,
		Pace: pace.Limits{
			Rate: 50e6, IOPS: 200, Workers: 3, BackOff: 35 * time.Millisecond, Idle: true,
			Hours: pace.Hours{From: 22*time.Hour + 30*time.Minute, To: 6 * time.Hour},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestColumnsDecideTheOverhead(t *testing.T) {
	got, _, err := parse("bitmend.toml", minimal+"[parity]\noverhead = \"10%\"\ndata = 4\nparity = 2\n")
	if err != nil || got.Overhead != 0.5 {
		t.Errorf("4 data and 2 parity columns have an overhead of %v, %v; want 0.5", got.Overhead, err)
	}
}

func TestRoles(t *testing.T) {
	for _, c := range []struct{ given, want string }{
		{"- -", "primary replica"},
		{"replica -", "replica primary"},
		{"lagged - -", "lagged primary replica"},
		{"- primary", "replica primary"},
		{"primary - lagged", "primary replica lagged"},
	} {
		text := "version = 1\n"
		for i, role := range strings.Fields(c.given) {
			text += "[[store]]\nname = \"s" + string(rune('0'+i)) + "\"\nurl = \"/srv/" + string(rune('0'+i)) + "\"\n"
			if role != "-" {
				text += "role = \"" + role + "\"\n"
			}
		}
		got, _, err := parse("bitmend.toml", text)
		if err != nil {
			t.Errorf("%s: %v", c.given, err)
			continue
		}
		var roles []string
		for _, s := range got.Stores {
			roles = append(roles, string(s.Role))
		}
		if strings.Join(roles, " ") != c.want {
			t.Errorf("the roles %q are taken as %q, want %q", c.given, roles, c.want)
		}
	}
}

func TestParseRefusesWithTheLineAndAWord(t *testing.T) {
	stores := func(lines ...string) string {
		return minimal + strings.Join(lines, "\n") + "\n"
	}
	for name, c := range map[string]struct{ text, want string }{
		"syntax":                {"version = 1\nx = \n[checksums]\n", ":2: "},
		"no version":            {"[[store]]\nname=\"a\"\nurl=\"/a\"", "no version"},
		"later version":         {strings.Replace(minimal, "1", "2", 1), ":1: version 2 is of a later bitmend"},
		"version in quotes":     {strings.Replace(minimal, "1", `"1"`, 1), ":1: version must be a whole number"},
		"no store":              {"version = 1\n", "no [[store]]"},
		"store as a table":      {"version = 1\n[store]\nname = \"a\"\n", ":2: store must be an array of tables"},
		"unknown key":           {"versoin = 1\n" + minimal, `:1: unknown key "versoin"; did you mean "version"?`},
		"unknown key in case":   {strings.Replace(minimal, "name", "Name", 1), `:3: unknown key "Name" in store[0]; did you mean "name"?`},
		"unknown in store":      {stores(`rle = "replica"`), `:5: unknown key "rle" in store[0]; did you mean "role"?`},
		"unknown in second":     {stores(`[[store]]`, `name = "b"`, `url = "/b"`, `xyz = 1`), `:8: unknown key "xyz" in store[1]; known are name, url, role, lag, immutable`},
		"unknown table":         {stores(`[witness]`), `:5: unknown key "witness"`},
		"unknown array":         {stores(`[[witness]]`, `url = "/m"`), `:5: unknown key "witness"`},
		"unknown gate":          {stores(`[gates.mass-demage]`), `:5: unknown key "mass-demage" in gates; did you mean "mass-damage"?`},
		"dotted key":            {"checksums.shard_sise = \"4KiB\"\n" + minimal, `:1: unknown key "shard_sise" in checksums; did you mean "shard_size"?`},
		"after a long string":   {stores("role = \"\"\"\nlag = 2\nprimary\"\"\"", `lag = 1`), `:8: lag must be a string`},
		"algorithm":             {stores(`[checksums]`, `algorithms = ["xxh64", "sha265"]`), `:6: unknown checksum algorithm "sha265", did you mean "sha256"?`},
		"algorithm twice":       {stores(`[checksums]`, `algorithms = ["md5", "md5"]`), `:6: algorithm "md5" is named twice`},
		"no algorithms":         {stores(`[checksums]`, `algorithms = []`), `:6: algorithms is empty`},
		"algorithms as text":    {stores(`[checksums]`, `algorithms = "md5"`), `:6: algorithms must be a list of strings`},
		"shard too small":       {stores(`[checksums]`, `shard_size = "2KiB"`), `:6: shard_size is 2KiB; it must be a power of two from 4KiB to 16MiB`},
		"shard too large":       {stores(`[checksums]`, `shard_size = "32MiB"`), `:6: shard_size is 32MiB`},
		"shard of no power":     {stores(`[checksums]`, `shard_size = "12KiB"`), `:6: shard_size is 12KiB`},
		"shard in kB":           {stores(`[checksums]`, `shard_size = "64kB"`), `:6: shard_size is 64000B`},
		"negative size":         {stores(`[checksums]`, `shard_size = "-64KiB"`), `:6: shard_size: "-64KiB" is not a size`},
		"size of nonsense":      {stores(`[checksums]`, `shard_size = "64 flops"`), `:6: shard_size: "64 flops" is not a size`},
		"size without quotes":   {stores(`[checksums]`, `shard_size = 65536`), `:6: shard_size must be a string in quotes`},
		"zero size":             {stores(`[checksums]`, `shard_size = "0"`), `:6: shard_size: "0" is no size`},
		"immense size":          {stores(`[parity]`, `column_size = "99999999EiB"`), `:6: column_size: "99999999EiB" is more bytes`},
		"column of half shard":  {stores(`[parity]`, `column_size = "96KiB"`), `:6: column_size is 96KiB; it must be a multiple of the shard size, 64KiB`},
		"overhead as number":    {stores(`[parity]`, `overhead = 0.1`), `:6: overhead must be a string in quotes`},
		"overhead of no %":      {stores(`[parity]`, `overhead = "10"`), `:6: overhead: "10" is not a percentage`},
		"overhead not finite":   {stores(`[parity]`, `overhead = "NaN%"`), `:6: overhead: "NaN%" is not a percentage`},
		"negative overhead":     {stores(`[parity]`, `overhead = "-1%"`), `:6: overhead is -1%; it must be from 0% (no parity) to 1000%`},
		"overhead too large":    {stores(`[parity]`, `overhead = "1001%"`), `:6: overhead is 1001%`},
		"too many columns":      {stores(`[parity]`, `data = 250`, `parity = 7`), `:6: 250 data and 7 parity columns`},
		"no data columns":       {stores(`[parity]`, `data = 0`), `:6: data is 0; it must be from 1 to 255`},
		"columns without":       {stores(`[parity]`, `data = 4`, `parity = 2`, `overhead = "0%"`), `:8: overhead "0%" turns parity off`},
		"columns without some":  {stores(`[parity]`, `parity = 2`, `overhead = "0%"`), `:7: overhead "0%" turns parity off`},
		"parity on no bucket":   {stores(`[parity]`, `url = "s3://parity?region=a&region=b"`), `:6: region is said twice`},
		"two of one name":       {stores(`[[store]]`, `name = "primary"`, `url = "/b"`), `:6: two stores are named "primary"`},
		"no name":               {stores(`[[store]]`, `url = "/b"`), `:5: store name ""`},
		"name with a slash":     {stores(`[[store]]`, `name = "a/b"`, `url = "/b"`), `:6: store name "a/b"`},
		"store named parity":    {stores(`[[store]]`, `name = "parity"`, `url = "/b"`), `:6: no store can be named "parity"`},
		"no url":                {stores(`[[store]]`, `name = "b"`), `:5: store "b" has no url`},
		"unknown role":          {stores(`role = "primery"`), `:5: store "primary" has the unknown role "primery"; did you mean "primary"?`},
		"empty role":            {stores(`role = ""`), `:5: role: is empty`},
		"two primaries":         {stores(`role = "primary"`, `[[store]]`, `name = "b"`, `url = "/b"`, `role = "primary"`), `:9: store "b" is a second primary`},
		"no primary":            {stores(`role = "lagged"`), `no store is the primary one`},
		"lag of nonsense":       {stores(`role = "lagged"`, `lag = "a week"`), `:6: lag: "a week" is not a time`},
		"negative lag":          {stores(`[[store]]`, `name = "b"`, `url = "/b"`, `role = "lagged"`, `lag = "-1h"`), `:9: store "b" has the negative lag -1h0m0s`},
		"lag of a replica":      {stores(`lag = "1h"`), `:5: store "primary" has a lag`},
		"immutable as text":     {stores(`immutable = "yes"`), `:5: immutable must be true or false`},
		"object storage":        {stores(`[[store]]`, `name = "b"`, `url = "gs://bucket/x"`), `:7: store "b": stores with the scheme "gs" are not supported yet`},
		"bucket without name":   {stores(`[[store]]`, `name = "b"`, `url = "s3:///x"`), `:7: store "b": "" is no name of a bucket`},
		"unknown key of bucket": {stores(`[[store]]`, `name = "b"`, `url = "s3://bucket/x?regoin=a"`), `:7: store "b": "regoin" is not known after the question mark`},
		"secret in a url":       {stores(`[[store]]`, `name = "b"`, `url = "s3://me:secret@bucket/x"`), `:7: store "b": a URL holds no secrets`},
		"another host":          {stores(`[[store]]`, `name = "b"`, `url = "file://nas/x"`), `:7: store "b": "file://nas/x": a file: URL on the host "nas" cannot be opened`},
		"no generations":        {stores(`[history]`, `keep_generations = 0`), `:6: keep_generations is 0; it must be at least 1`},
		"no time of history":    {stores(`[history]`, `keep_for = "0s"`), `:6: keep_for is 0h; it must be more than nothing`},
		"history in words":      {stores(`[history]`, `keep_for = "long"`), `:6: keep_for: "long" is not a time`},
		"no time of quarantine": {stores(`[quarantine]`, `keep_for = "-1h"`), `:6: keep_for is -1h; it must be more than nothing`},
		"quarantine of nothing": {stores(`[quarantine]`, `max_size = "0B"`), `:6: max_size: "0B" is no size`},
		"unknown of quarantine": {stores(`[quarantine]`, `keep-for = "1h"`), `:6: unknown key "keep-for" in quarantine; did you mean "keep_for"?`},
		"age of nonsense":       {stores(`[scrub]`, `max_age = "a month"`), `:6: max_age: "a month" is not a time`},
		"negative age":          {stores(`[scrub]`, `max_age = "-1h"`), `:6: max_age is -1h`},
		"rate per hour":         {stores(`[scrub]`, `limit_rate = "5GB/h"`), `:6: limit_rate: "5GB/h" is not a rate`},
		"negative IOPS":         {stores(`[scrub]`, `limit_iops = -1`), `:6: limit_iops is -1`},
		"too many workers":      {stores(`[scrub]`, `workers = 1000`), `:6: workers must be from 1 to 256`},
		"negative back-off":     {stores(`[scrub]`, `back_off = "-1ms"`), `:6: back_off is -1ms`},
		"hours of nonsense":     {stores(`[scrub]`, `hours = "at night"`), `:6: hours: "at night" is not a part of the day`},
		"gate of none":          {stores(`[gates.mass-damage]`, `count = 0`), `:6: count is 0`},
		"gate of nothing":       {stores(`[gates.mass-damage]`, `count = 0`, `percent = "0%"`), `:6: count is 0`},
		"encrypted by none":     {stores(`[gates.mass-change]`, `encrypted = 0`), `:6: encrypted is 0; it must be at least 1`},
		"percent of bad-repair": {stores(`[gates.bad-repair]`, `percent = "1%"`), `:6: unknown key "percent" in gates.bad-repair`},
		"gate catalog of none":  {stores(`[gates.catalog]`, `count = 0`), `:6: count is 0; it must be at least 1`},
		"poisoned by none":      {stores(`[gates.poisoned]`, `count = 0`), `:6: count is 0`},
		"hold in one word":      {stores(`[hold]`, `command = "hold"`), `:6: command must be a list of strings`},
		"hold of no program":    {stores(`[hold]`, `command = [""]`), `:6: command names no program`},
		"hold for no time":      {stores(`[hold]`, `timeout = "0s"`), `:6: timeout is 0h; it must be more than nothing`},
		"gate of over all":      {stores(`[gates.mass-damage]`, `percent = "101%"`), `:6: percent is 101%`},
		"gate of a number":      {stores(`[gates]`, `mass-damage = 10`), `:6: mass-damage must be a table, [gates.mass-damage]`},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := parse("/v/bitmend.toml", c.text)
			if err == nil {
				t.Fatal("no error")
			}
			want := c.want
			if strings.HasPrefix(want, ":") {
				want = "/v/bitmend.toml" + want
			}
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the error is\n%v\nand says nothing of\n%s", err, want)
			}
		})
	}
}

func TestParseNamesAllThatIsWrong(t *testing.T) {
	_, _, err := parse("b", minimal+"rle = 1\n[parity]\nurll = 2\n")
	want := "b:5: unknown key \"rle\" in store[0]; did you mean \"role\"?\nb:7: unknown key \"urll\" in parity; did you mean \"url\"?"
	if err == nil || err.Error() != want {
		t.Errorf("two mistakes are reported as\n%v\nwant\n%s", err, want)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"1": 1, "512B": 512, "4KiB": 4096, "64 KiB": 65536, "1.5MiB": 3 << 19, "1GiB": 1 << 30, "2Ti": 2 << 40, "64kB": 64000, "7EiB": 7 << 60,
	} {
		if got, err := ParseSize(text); got != want || err != nil {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", " 1", "1  KiB", "KiB", "1,000", "+1", "1e3", "0x10", "1KiB!", "8EiB", "0.0001B", "1 potato"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", text, got)
		}
	}
	for _, n := range []int64{1, 1000, 1024, 65536, 1 << 30, 5 << 40, 1 << 60, math.MaxInt64} {
		if got, err := ParseSize(sizeText(n)); got != n || err != nil {
			t.Errorf("%d is written as %q and read as %d, %v", n, sizeText(n), got, err)
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30d": 720 * time.Hour, "1d12h": 36 * time.Hour, "0d": 0, "90m": 90 * time.Minute, "1.5h": 90 * time.Minute, "32767d": 32767 * 24 * time.Hour,
	} {
		if got, err := ParseDuration(text); got != want || err != nil {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "30", "1.5d", "-1d", "1d-1h", "1h1d", "99999d", "1d 1h"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", text, got)
		}
	}
}

func TestRenderedConfigReadsTheSame(t *testing.T) {
	plain := DefaultConfig(StoreConfig{Name: "primary", URL: "../photos"})
	full := Config{
		Algorithms: []hashsets.Algorithm{"md5"}, ShardSize: 1 << 20, Data: 7, Parity: 3, ColumnSize: 3 << 20, ParityURL: "/mnt/a \"b\"\\c",
		Stores: []StoreConfig{
			{Name: "a", URL: "/srv/with\nnewline\x1b[0m\x7f", Role: Replica},
			{Name: "b", URL: "/srv/ünïcode #1 = [x]", Role: Primary, Immutable: true},
			{Name: "c", URL: "file:../caf%E9", Role: Lagged, Lag: 90 * time.Minute},
		},
		MassDamage: GateLimits{1, 0}, MassMissing: GateLimits{2, 0.07}, MassChange: GateLimits{3, 33.3},
		Encrypted: 4, Poisoned: GateLimits{5, 0.5}, BadRepairs: 6, BadRecords: 7, Hold: HoldConfig{[]string{"hold", "\"x\\"}, 1500 * time.Millisecond},
		Notify:  NotifyConfig{[]string{"tell", "a\nb"}, "https://h/\"", "http://p", time.Hour},
		History: HistoryLimits{7, 90 * time.Minute}, Quarantine: QuarantineLimits{25 * time.Hour, 1234567},
		MaxAge: 36 * time.Hour, Pace: pace.Limits{
			Rate: 1 << 20, IOPS: 5, Workers: 256, BackOff: 1500 * time.Microsecond, Idle: true, Hours: pace.Hours{From: time.Hour, To: 6 * time.Hour},
		},
	}
	off := DefaultConfig(StoreConfig{Name: "s", URL: "/s"})
	off.Overhead = 0
	odd := DefaultConfig(StoreConfig{Name: "s", URL: "/s"})
	odd.Overhead, odd.Parity = 0.07, 2
	for _, want := range []Config{plain, full, off, odd} {
		want.fillIn()
		text := want.render()
		got, _, err := parse("bitmend.toml", text)
		if err != nil {
			t.Errorf("%v in\n%s", err, text)
			continue
		}
		got.Overhead = math.Round(got.Overhead*1e9) / 1e9
		want.Overhead = math.Round(want.Overhead*1e9) / 1e9
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s in\n%s", diff, text)
		}
	}
}

func TestRenderedConfigHasExamplesThatWork(t *testing.T) {
	c := DefaultConfig(StoreConfig{Name: "primary", URL: "../photos"})
	c.fillIn()
	text := c.render()
	for _, example := range []string{"data = 40", "parity = 4", `column_size = "1GiB"`, `url = "/mnt/other-disk/parity"`,
		`command = ["/usr/local/bin/hold-sync", "photos"]`,
		`command = ["/usr/local/bin/tell-me", "photos"]`, `url = "https://hooks.example.org/bitmend"`, `heartbeat = "https://ping.example.org/photos"`,
		`max_age = "30d"`, `limit_rate = "50MB/s"`, `limit_iops = 200`, `workers = 4`, `back_off = "35ms"`, `idle = true`, `hours = "01:00-06:00"`} {
		if !strings.Contains(text, "\n# "+example+"\n") {
			t.Errorf("no example %q in\n%s", example, text)
		}
		text = strings.Replace(text, "\n# "+example+"\n", "\n"+example+"\n", 1)
	}
	got, _, err := parse("bitmend.toml", text)
	if err != nil || got.Data != 40 || got.Parity != 4 || got.ColumnSize != 1<<30 || got.ParityURL == "" || got.MaxAge != 30*24*time.Hour || got.Pace.Rate != 50e6 || len(got.Hold.Command) != 2 || len(got.Notify.Command) != 2 || got.Notify.URL == "" || got.Notify.Heartbeat == "" {
		t.Errorf("with its examples the configuration is %+v, %v", got, err)
	}
}

func TestAPathThatIsNoUTF8IsStorable(t *testing.T) {
	path := "../caf\xe9 100%/x?#"
	c := DefaultConfig(StoreConfig{Name: "primary", URL: path})
	c.fillIn()
	got, _, err := parse("bitmend.toml", c.render())
	if err != nil {
		t.Fatal(err)
	}
	want, _ := rootOf(path, "/srv/v")
	if root, err := rootOf(got.Stores[0].URL, "/srv/v"); root != want || err != nil {
		t.Errorf("%q is read as %q, %v", want, root, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(minimal)
	c := DefaultConfig(StoreConfig{Name: "primary", URL: "../photos"})
	c.fillIn()
	f.Add(c.render())
	f.Add("version = 1\n[[store]]\nname = '''\n[[x]]'''\nurl=\"a\"\n[store.sub]\n\"a.b\"=1\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, _, err := parse("bitmend.toml", text)
		if err != nil {
			return
		}
		again, _, err := parse("bitmend.toml", c.render())
		if err != nil {
			t.Fatalf("%v after rendering\n%s", err, c.render())
		}
		c.Overhead, again.Overhead = 0, 0 // rounded to 12 digits
		for _, limits := range []*GateLimits{&c.MassDamage, &c.MassMissing, &c.MassChange, &c.Poisoned, &again.MassDamage, &again.MassMissing, &again.MassChange, &again.Poisoned} {
			limits.Percent = 0
		}
		if diff := cmp.Diff(c, again); diff != "" {
			t.Fatal(diff)
		}
	})
}
