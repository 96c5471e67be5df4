package scrub_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"bitmend/fixtures/s3proxy"
	"bitmend/fixtures/s3server"
	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/store/s3"
	"bitmend/scrub/vault"
)

// objects of the bucket that the tests of faults scrub: a small one, and one
// that takes several requests.
var objects = map[string]int{"first": 10, "large": 9<<20 + 17, "small": 1000, "za": 11, "zb": 12, "zc": 13}

// A remote is a vault whose primary is a bucket behind a proxy.
type remote struct {
	*bench
	proxy *s3proxy.Proxy
}

func newRemote(t *testing.T, algorithms ...hashsets.Algorithm) *remote {
	t.Helper()
	return newRemoteOf(t, objects, algorithms...)
}

func newRemoteOf(t *testing.T, objects map[string]int, algorithms ...hashsets.Algorithm) *remote {
	t.Helper()
	server := s3server.StartFake(t)
	proxy := s3proxy.Start(t, server.Endpoint)
	url := s3server.URL(proxy.URL, server.MakeBucket(t), "photos")
	b := &bench{TB: t}
	config := vault.DefaultConfig(vault.StoreConfig{Name: "primary", URL: url, Role: vault.Primary})
	config.Overhead = 0
	if len(algorithms) > 0 {
		config.Algorithms = algorithms
	}
	dir := t.TempDir() + "/vault"
	b.must(vault.Init(t.Context(), dir, config))
	v, err := vault.Open(t.Context(), dir, "test")
	b.must(err)
	t.Cleanup(func() { v.Close() })
	b.vault = v
	r := &remote{bench: b, proxy: proxy}
	b.must(v.Catalog.Update(t.Context(), func(tx *catalog.Tx) error {
		for name, size := range objects {
			if err := tx.PutRecord(r.put(name, size)); err != nil {
				return err
			}
		}
		return nil
	}))
	return r
}

// put puts an object into the bucket and returns a record of it.
func (r *remote) put(name string, size int) catalog.Record {
	s, err := r.vault.Store("primary")
	r.must(err)
	content := bytes.Repeat([]byte(name), size/len(name)+1)[:size]
	staged, err := s.Stage(r.Context(), name, "test")
	r.must(err)
	defer staged.Close()
	_, err = staged.WriteAt(content, 0)
	r.must(err)
	r.must(staged.Seal(r.Context(), int64(size), hashsets.Attributes{}))
	entry, err := staged.Publish(r.Context(), nil)
	r.must(err)
	return catalog.Record{Name: name, Generation: 1, RecordedAt: time.Now(), Kind: hashsets.File, Identity: entry.Identity, Hashes: r.hashes(content)}
}

func (r *remote) hashes(content []byte) hashsets.HashSet {
	hasher, err := hashsets.NewHasher(r.vault.Config.Algorithms, r.vault.Config.ShardSize)
	r.must(err)
	hasher.Write(content)
	return hasher.HashSet()
}

// scrubQuickly scrubs with a store that reads each object in one request.
func (r *remote) scrubQuickly() (*said, report.Summary, error) {
	return r.scrubWith(s3.Options{Stall: patience, Quick: 1})
}

// patience is within what a busy machine answers.
const patience = 20 * time.Second

// scrubWith scrubs with a store that makes few attempts in a short time.
func (r *remote) scrubWith(options s3.Options) (*said, report.Summary, error) {
	rep := &said{}
	options.Attempts, options.FirstPause = 4, time.Millisecond
	summary, err := scrub.Run(r.Context(), r.vault, scrub.Options{
		Open: func(name string) (store.Store, error) { return s3.Open(name, r.vault.Primary().URL, options) },
	}, rep)
	return rep, summary, err
}

func TestFaultsOfANetworkAreNoDamage(t *testing.T) {
	s3server.SetCredentials(t)
	const host = finding.Verdict("not checked") // an error of the host
	small, large := "/photos/small", "/photos/large"
	for name, c := range map[string]struct {
		rule    s3proxy.Rule
		verdict finding.Verdict // of the one blob that is not intact; "" for none
		says    string
	}{
		"throttled once":             {s3proxy.Rule{Fault: s3proxy.Throttle, Path: small, Times: 1}, "", ""},
		"throttled for good":         {s3proxy.Rule{Fault: s3proxy.Throttle, Path: small}, host, "SlowDown"},
		"failing twice":              {s3proxy.Rule{Fault: s3proxy.Fail, Path: small, Times: 2}, "", ""},
		"failing at every attempt":   {s3proxy.Rule{Fault: s3proxy.Fail, Path: small, Times: 4}, finding.Flaky, "was read wholly only when it was read again, and matched"},
		"failing for good":           {s3proxy.Rule{Fault: s3proxy.Fail, Path: small}, finding.Unreadable, "InternalError"},
		"reset once":                 {s3proxy.Rule{Fault: s3proxy.Reset, Path: large, Times: 1}, "", ""},
		"reset, the third part":      {s3proxy.Rule{Fault: s3proxy.Reset, Path: large, Skip: 2, Times: 1}, "", ""},
		"reset for good":             {s3proxy.Rule{Fault: s3proxy.Reset, Path: small}, finding.Unreadable, ""},
		"cut short once":             {s3proxy.Rule{Fault: s3proxy.Cut, Path: large, Times: 1}, "", ""},
		"cut short for good":         {s3proxy.Rule{Fault: s3proxy.Cut, Path: small}, finding.Unreadable, ""},
		"dripping once":              {s3proxy.Rule{Fault: s3proxy.Drip, Path: large, Times: 1}, "", ""},
		"stalled once":               {s3proxy.Rule{Fault: s3proxy.Stall, Path: large, Times: 1}, "", ""},
		"stalled for good":           {s3proxy.Rule{Fault: s3proxy.Stall, Path: small}, finding.Unreadable, "stalled"},
		"mute once":                  {s3proxy.Rule{Fault: s3proxy.Mute, Path: small, Times: 1}, "", ""},
		"wrong bytes once":           {s3proxy.Rule{Fault: s3proxy.WrongBytes, Path: small, Times: 1}, finding.Flaky, "matched when it was read again"},
		"wrong bytes of a part once": {s3proxy.Rule{Fault: s3proxy.WrongBytes, Path: large, Skip: 1, Times: 1}, finding.Flaky, ""},
		"wrong bytes for good":       {s3proxy.Rule{Fault: s3proxy.WrongBytes, Path: small}, finding.Corrupt, ""},
		"another range once":         {s3proxy.Rule{Fault: s3proxy.WrongRange, Path: large, Times: 1}, "", ""},
		"another range for good":     {s3proxy.Rule{Fault: s3proxy.WrongRange, Path: small}, finding.Unreadable, "another range"},
		"a page twice":               {s3proxy.Rule{Fault: s3proxy.RepeatPage, Path: "list-type", Skip: 2, Times: 1}, "", ""},
		"a listing that lags":        {s3proxy.Rule{Fault: s3proxy.Lag, Path: "list-type", Name: "small"}, "", ""},
		"an expired token once":      {s3proxy.Rule{Fault: s3proxy.Expire, Path: small, Times: 1}, "", ""},
		"an expired token for good":  {s3proxy.Rule{Fault: s3proxy.Expire, Path: small}, host, "credentials"},
		"not allowed to read":        {s3proxy.Rule{Fault: s3proxy.Deny, Path: small}, finding.Unreadable, "it needs s3:GetObject"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := s3.Options{Stall: patience, Quick: 1}
			if c.rule.Path == large && c.rule.Skip > 0 { // a part of it
				options.Quick = math.MaxInt64
			}
			among := objects
			switch stalls := c.rule.Fault == s3proxy.Stall || c.rule.Fault == s3proxy.Mute || c.rule.Fault == s3proxy.Drip; {
			case stalls && c.rule.Times == 1:
				options.Stall = patience / 4
			case stalls: // many times
				options.Stall, among = time.Second, map[string]int{"small": 1000, "za": 11, "zb": 12}
			}
			r := newRemoteOf(t, among)
			r.proxy.Keys = 2
			r.proxy.Set(c.rule)
			rep, summary, err := r.scrubWith(options)
			r.must(err)
			if r.proxy.Met(0) == 0 {
				t.Fatal("nothing met the fault")
			}
			told := fmt.Sprint(rep.findings, rep.notes)
			if !strings.Contains(told, c.says) {
				t.Errorf("it says nothing of %q: %s", c.says, told)
			}
			want := map[finding.Verdict]int64{}
			if c.verdict != "" && c.verdict != host {
				want[c.verdict] = 1
			}
			if fmt.Sprint(summary.Verdicts) != fmt.Sprint(want) || (summary.Unchecked == 1) != (c.verdict == host) || summary.Unchecked > 1 {
				t.Errorf("verdicts %v, %d not checked; want %q: %s", summary.Verdicts, summary.Unchecked, c.verdict, told)
			}
		})
	}
}

// reopen closes the vault and opens it with a bound on what a run may fetch.
func (r *remote) reopen(bound int64) {
	r.Helper()
	dir := r.vault.Dir
	r.must(r.vault.Close())
	v, err := vault.Open(r.Context(), dir, "test")
	r.must(err)
	r.Cleanup(func() { v.Close() })
	v.LimitDownload(bound)
	r.vault = v
}

func TestARunFetchesNoMoreThanItMayAndTheNextOneGoesOn(t *testing.T) {
	s3server.SetCredentials(t)
	r := newRemoteOf(t, map[string]int{"a": 1000, "b": 1000, "c": 1000, "d": 1000, "e": 1000, "large": 5000})
	verified := map[string]bool{}
	for run := range 3 {
		r.reopen(2500)
		rep := &said{}
		summary, err := scrub.Run(r.Context(), r.vault, scrub.Options{}, rep)
		r.must(err)
		if most := int64(2); summary.Intact > most || summary.Intact < 1 || summary.Intact+summary.Unverified != 6 || summary.BytesRead > 2500 || summary.Exit != 0 {
			t.Errorf("run %d: %+v", run, summary)
		}
		if !strings.Contains(fmt.Sprint(rep.notes), "1 blobs are larger") {
			t.Errorf("run %d: it says %q", run, rep.notes)
		}
		for known, err := range r.vault.Catalog.Records(r.Context(), catalog.Query{Store: "primary"}) {
			r.must(err)
			verified[known.Name] = known.Seen != nil
		}
	}
	for name, done := range verified {
		if done != (name != "large") {
			t.Errorf("%s was verified: %v", name, done)
		}
	}
}

func TestBytesThatAreFetchedAnewCountToo(t *testing.T) {
	s3server.SetCredentials(t)
	r := newRemoteOf(t, map[string]int{"a": 1000, "b": 1000, "c": 1000})
	r.reopen(3000)
	r.proxy.Set(s3proxy.Rule{Fault: s3proxy.WrongBytes, Method: "GET", Path: "/photos/a", Times: 1})
	rep := &said{}
	summary, err := scrub.Run(r.Context(), r.vault, scrub.Options{}, rep)
	r.must(err)
	if summary.BytesRead > 3000 || summary.Damaged > 0 {
		t.Errorf("%+v: %q", summary, rep.notes)
	}
}

func TestAnEstimateReadsNothingAndComesTrue(t *testing.T) {
	s3server.SetCredentials(t)
	r := newRemote(t)
	r.reopen(1 << 30)
	rep := &said{}
	estimated, err := scrub.Estimate(r.Context(), r.vault, scrub.Options{}, rep)
	r.must(err)
	var bytes int64
	for _, size := range objects {
		bytes += int64(size)
	}
	if len(estimated.Estimate) != 1 || estimated.Estimate[0].Fetched != bytes || estimated.Exit != 0 {
		t.Fatalf("estimated %+v", estimated)
	}
	s, err := r.vault.Store("primary")
	r.must(err)
	before := s.(store.Remote).Traffic()
	if before.Fetched > bytes/10 {
		t.Errorf("the estimate itself fetched %d bytes", before.Fetched)
	}
	_, err = scrub.Run(r.Context(), r.vault, scrub.Options{}, rep)
	r.must(err)
	after := s.(store.Remote).Traffic()
	// The rest asks whether the bucket is there and what else belongs to it. A
	// large blob takes one request where connections are quick.
	if requests := after.Requests - before.Requests; requests < int64(len(objects)) || requests > estimated.Estimate[0].Requests+2 {
		t.Errorf("%d requests, estimated %d at most", requests, estimated.Estimate[0].Requests)
	}
	if fetched := after.Fetched - before.Fetched; fetched < bytes || fetched > bytes+10_000 { // with the listing
		t.Errorf("%d bytes, estimated %d", fetched, bytes)
	}
}

func TestWhatCannotBeListedIsNotScrubbed(t *testing.T) {
	s3server.SetCredentials(t)
	for name, c := range map[string]struct {
		fault s3proxy.Fault
		says  string
	}{
		"without the right":     {s3proxy.Deny, "it needs s3:ListBucket"},
		"with an expired token": {s3proxy.Expire, "does not accept the credentials"},
		"throttled":             {s3proxy.Throttle, "SlowDown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRemote(t)
			r.proxy.Set(s3proxy.Rule{Fault: c.fault, Path: "list-type"})
			rep, summary, err := r.scrubQuickly()
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one that says %q", err, c.says)
			}
			if len(rep.findings) > 0 || summary.Damaged > 0 {
				t.Errorf("it finds %v", rep.findings)
			}
		})
	}
}

func TestALightScrubComparesWhatTheServiceKeeps(t *testing.T) {
	s3server.SetCredentials(t)
	light := func(r *remote) (*said, report.Summary) {
		rep := &said{}
		summary, err := scrub.Run(r.Context(), r.vault, scrub.Options{Light: true}, rep)
		r.must(err)
		return rep, summary
	}
	t.Run("which nothing is recorded of", func(t *testing.T) {
		r := newRemote(t)
		_, summary := light(r)
		if summary.Intact != 0 || summary.Unverified != int64(len(objects)) || summary.BytesRead != 0 {
			t.Errorf("%d intact, %d not verified, %d bytes read", summary.Intact, summary.Unverified, summary.BytesRead)
		}
	})
	t.Run("which matches", func(t *testing.T) {
		r := newRemote(t, hashsets.SHA256, hashsets.CRC64NVME)
		_, summary := light(r)
		if summary.Intact != int64(len(objects)) || summary.Unverified != 0 || summary.BytesRead != 0 {
			t.Errorf("%d intact, %d not verified, %d bytes read", summary.Intact, summary.Unverified, summary.BytesRead)
		}
		c, err := r.vault.Catalog.Coverage(t.Context(), "primary", "small")
		if err == nil {
			t.Errorf("a light scrub makes it count as read: %+v", c)
		}
	})
	t.Run("which does not match", func(t *testing.T) {
		r := newRemote(t, hashsets.SHA256, hashsets.CRC64NVME)
		record, err := r.vault.Catalog.Current(t.Context(), "small")
		r.must(err)
		record.Generation++
		record.Hashes.Digests[1].Sum = []byte("8 bytes.")
		if record.Hashes.Digests[1].Algorithm != hashsets.CRC64NVME {
			record.Hashes.Digests[0].Sum, record.Hashes.Digests[1].Sum = []byte("8 bytes."), make([]byte, 32)
		}
		r.must(r.vault.Catalog.Update(t.Context(), func(tx *catalog.Tx) error { return tx.PutRecord(record) }))
		rep, summary := light(r)
		if f := rep.one(t); f.Blob != "small" || f.Verdict != finding.Undecided || summary.Intact != int64(len(objects))-1 {
			t.Errorf("%+v, %d intact", f, summary.Intact)
		}
	})
}

// What the service keeps of an object was made when the bytes came, so that it
// tells rot in the service from a record that was wrong from the beginning.
func TestTheServiceIsAWitnessOfWhatItDelivers(t *testing.T) {
	s3server.SetCredentials(t)
	t.Run("against the bytes", func(t *testing.T) {
		r := newRemote(t, hashsets.SHA256, hashsets.CRC64NVME)
		r.proxy.Set(s3proxy.Rule{Fault: s3proxy.WrongBytes, Method: "GET", Path: "/photos/small"})
		rep, _, err := r.scrubQuickly()
		r.must(err)
		if f := rep.one(t); f.Verdict != finding.Corrupt || !strings.Contains(fmt.Sprint(f.Evidence), "crc64nvme that the service keeps is the recorded one") {
			t.Errorf("%+v", f)
		}
	})
	t.Run("against the record", func(t *testing.T) {
		r := newRemoteOf(t, nil)
		r.must(r.vault.Catalog.Update(t.Context(), func(tx *catalog.Tx) error {
			record := r.put("small", 1000)
			record.Hashes = r.hashes([]byte("what was read of it then"))
			record.Hashes.Size = 1000
			return tx.PutRecord(record)
		}))
		rep, _, err := r.scrubQuickly()
		r.must(err)
		if f := rep.one(t); f.Verdict != finding.Undecided || !strings.Contains(fmt.Sprint(f.Evidence), "is that of the bytes that it delivers") {
			t.Errorf("%+v", f)
		}
	})
}

func TestAnObjectInAnArchiveTierIsUnverifiable(t *testing.T) {
	s3server.SetCredentials(t)
	asked := s3proxy.Rule{Fault: s3proxy.Archive, Method: "GET", Path: "/photos/small"}
	frozen := func(class string) s3proxy.Rule {
		return s3proxy.Rule{Fault: s3proxy.Freeze, Path: "list-type", Name: "photos/small", Class: class}
	}
	for name, c := range map[string]struct {
		rules []s3proxy.Rule
		asked int
	}{
		"which the answer says":     {[]s3proxy.Rule{asked}, 1},
		"which the listing says":    {[]s3proxy.Rule{asked, frozen("DEEP_ARCHIVE")}, 0},
		"whose reading costs extra": {[]s3proxy.Rule{asked, frozen("GLACIER_IR")}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRemote(t)
			r.proxy.Set(c.rules...)
			rep, summary, err := r.scrubQuickly()
			r.must(err)
			if f := rep.one(t); f.Verdict != finding.Unverifiable || !strings.Contains(f.Reason, "archive tier") {
				t.Errorf("%+v", f)
			}
			if summary.Damaged != 0 || summary.Intact != int64(len(objects))-1 || r.proxy.Met(0) != c.asked {
				t.Errorf("%d damaged, %d intact, asked for %d times", summary.Damaged, summary.Intact, r.proxy.Met(0))
			}
		})
	}
}

// One request takes the time of a round trip, and one connection carries only
// so much, as is known of these: the proxy lets no request go on before as many wait as are to be
// under way at once.
func TestRequestsFillTheLink(t *testing.T) {
	s3server.SetCredentials(t)
	small := map[string]int{}
	for i := range 64 {
		small[fmt.Sprintf("object-%02d", i)] = 100
	}
	for name, c := range map[string]struct {
		objects map[string]int
		gather  s3proxy.Rule
	}{
		"with small objects": {small, s3proxy.Rule{Fault: s3proxy.Gather, Method: "GET", Path: "/photos/object", Count: 64}},
		// The first part comes with the opening and tells how long the object is.
		"with one large object": {map[string]int{"large": 17<<20 + 1}, s3proxy.Rule{Fault: s3proxy.Gather, Method: "GET", Path: "/photos/large", Skip: 1, Count: 16}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRemoteOf(t, c.objects)
			r.proxy.Set(c.gather)
			// A request that waits in vain is not made again.
			summary, err := scrub.Run(r.Context(), r.vault, scrub.Options{Open: func(name string) (store.Store, error) {
				return s3.Open(name, r.vault.Primary().URL, s3.Options{Attempts: 1, Stall: patience, Quick: math.MaxInt64, ReadSize: 1 << 20})
			}}, &said{})
			r.must(err)
			if summary.Intact != int64(len(c.objects)) {
				t.Errorf("%d intact: %+v", summary.Intact, summary)
			}
		})
	}
}
