package scrub

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/finding"
	"bitmend/scrub/store"
)

var recordedAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func hashSet(t *testing.T, content string, algorithms ...hashsets.Algorithm) hashsets.HashSet {
	t.Helper()
	if len(algorithms) == 0 {
		algorithms = []hashsets.Algorithm{hashsets.XXH64, hashsets.SHA256}
	}
	hasher, err := hashsets.NewHasher(algorithms, 4096)
	if err != nil {
		t.Fatal(err)
	}
	hasher.Write([]byte(content))
	return hasher.HashSet()
}

// recordOf is a record of content, last written a day before it was recorded.
func recordOf(t *testing.T, content string, algorithms ...hashsets.Algorithm) *catalog.Record {
	written := recordedAt.Add(-24 * time.Hour).UnixNano()
	return &catalog.Record{
		Name: "blob", Generation: 3, RecordedAt: recordedAt, Kind: hashsets.File,
		Identity: hashsets.Identity{Size: int64(len(content)), ModTime: written, ChangeTime: written, Inode: 7},
		Hashes:   hashSet(t, content, algorithms...),
	}
}

// Each way in which witnesses can agree and disagree has a row.
func TestJudge(t *testing.T) {
	const good, old, other = "the recorded bytes", "the bytes of before", "quite other bytes"
	damaged := fmt.Errorf("record check: %w", catalog.ErrDamaged)
	medium := fmt.Errorf("read: %w", store.ErrMedium)
	denied := fmt.Errorf("open: %w", store.ErrPermission)

	// found is the ordinary case: content stands where good was recorded, and
	// nothing but the bytes has changed.
	found := func(content string) witnesses {
		record := recordOf(t, good)
		computed := hashSet(t, content)
		identity := record.Identity
		identity.Size = int64(len(content))
		return witnesses{
			record: record, primary: true, computed: &computed,
			entry: &store.Entry{Name: "blob", Kind: hashsets.File, Identity: identity},
		}
	}
	with := func(w witnesses, change func(*witnesses)) witnesses {
		change(&w)
		return w
	}
	touched := func(w *witnesses) { w.entry.Identity.ModTime = recordedAt.Add(time.Hour).UnixNano() }
	history := func(w *witnesses) {
		earlier := *recordOf(t, old)
		earlier.Generation = 2
		w.earlier = []catalog.Record{earlier}
	}
	wrongDigest := func(a hashsets.Algorithm) func(*witnesses) {
		return func(w *witnesses) {
			for i := range w.record.Hashes.Digests {
				if d := &w.record.Hashes.Digests[i]; d.Algorithm == a {
					d.Sum = append([]byte(nil), d.Sum...)
					d.Sum[0] ^= 1
				}
			}
		}
	}

	for _, test := range []struct {
		name string
		w    witnesses
		want finding.Verdict
	}{
		{"every digest matches", found(good), finding.Intact},
		{"every digest matches and it was touched", with(found(good), touched), finding.Intact},
		{"no digest matches, times as recorded", found(other), finding.Corrupt},
		{"no digest matches, inode-change time alone differs", with(found(other), func(w *witnesses) { w.entry.Identity.ChangeTime += 5 }), finding.Corrupt},
		{"no digest matches, another inode with the same times", with(found(other), func(w *witnesses) { w.entry.Identity.Inode = 8 }), finding.Corrupt},
		{"no digest matches, written since", with(found(other), touched), finding.Modified},
		{"written since, in an immutable store", with(with(found(other), touched), func(w *witnesses) { w.immutable = true }), finding.Corrupt},
		{"times set back to before the recorded ones", with(found(other), func(w *witnesses) { w.entry.Identity.ModTime -= 5 }), finding.Modified},
		{"the bytes of an earlier generation", with(found(old), history), finding.Stale},
		{"somebody wrote the bytes of an earlier generation", with(with(found(old), history), touched), finding.Modified},
		{"the same, in an immutable store", with(with(found(old), history), func(w *witnesses) { touched(w); w.immutable = true }), finding.Stale},
		{"the bytes of an earlier generation came back with their time", with(with(found(old), history), func(w *witnesses) {
			w.entry.Identity.ModTime -= 5
			w.earlier[0].Identity.ModTime = w.entry.Identity.ModTime
		}), finding.Stale},
		{"an earlier generation whose record is damaged is no witness", with(with(found(old), history), func(w *witnesses) { w.earlier[0].Damage = damaged }), finding.Corrupt},
		{"the size of the record is wrong and no digest proves the bytes", with(found(other), func(w *witnesses) { w.record.Hashes.Size++ }), finding.Corrupt},
		{"every shard sum matches and no digest does", with(with(found(good), wrongDigest(hashsets.SHA256)), wrongDigest(hashsets.XXH64)), finding.Undecided},
		{"the same, and the record fails its check", with(with(with(found(good), wrongDigest(hashsets.SHA256)), wrongDigest(hashsets.XXH64)), func(w *witnesses) { w.record.Damage = damaged }), finding.Undecided},
		{"one of two cryptographic digests is wrong", with(found(good), func(w *witnesses) {
			w.record = recordOf(t, good, hashsets.SHA256, hashsets.BLAKE3)
			computed := hashSet(t, good, hashsets.SHA256, hashsets.BLAKE3)
			w.computed = &computed
			wrongDigest(hashsets.BLAKE3)(w)
		}), finding.RecordDamaged},
		{"a broken cryptographic digest proves nothing", with(found(good), func(w *witnesses) {
			w.record = recordOf(t, good, hashsets.MD5, hashsets.SHA256)
			computed := hashSet(t, good, hashsets.MD5, hashsets.SHA256)
			w.computed = &computed
			wrongDigest(hashsets.SHA256)(w)
		}), finding.Undecided},
		{"the record fails its check and the blob is gone", with(found(good), func(w *witnesses) {
			w.record.Damage = damaged
			w.entry, w.computed = nil, nil
		}), finding.Missing},
		{"the record fails its check and the bytes are those of an earlier generation", with(with(found(old), history), func(w *witnesses) { w.record.Damage = damaged }), finding.Undecided},
		{"a checksum of the service is that of the bytes, and the record is proven", with(found(good), func(w *witnesses) { w.service.vouches = true }), finding.Intact},
		{"a checksum of the service is that of the bytes, which are of an earlier generation", with(with(found(old), history), func(w *witnesses) { w.service.vouches = true }), finding.Stale},
		{"a checksum of the service is that of the bytes", with(found(other), func(w *witnesses) { w.service.vouches = true }), finding.Undecided},
		{"the same, written since in an immutable store", with(with(found(other), touched), func(w *witnesses) { w.service.vouches, w.immutable = true, true }), finding.Corrupt},
		{"the same in a replica, which may have been sent them so", with(found(other), func(w *witnesses) { w.service.vouches, w.primary = true, false }), finding.Corrupt},
		{"not in the store", with(found(good), func(w *witnesses) { w.entry, w.computed = nil, nil }), finding.Missing},
		{"not in the catalog", with(found(good), func(w *witnesses) { w.record = nil }), finding.Unrecorded},
		{"medium error", with(found(good), func(w *witnesses) { w.readErr, w.computed = medium, nil }), finding.Unreadable},
		{"permission denied", with(found(good), func(w *witnesses) { w.readErr, w.computed = denied, nil }), finding.Unreadable},
		{"a directory that cannot be listed", witnesses{entry: &store.Entry{Name: "d"}, readErr: denied}, finding.Unreadable},
		{"xxh64 of the record is wrong, sha256 proves the bytes", with(found(good), wrongDigest(hashsets.XXH64)), finding.RecordDamaged},
		{"a shard sum of the record is wrong, sha256 proves the bytes", with(found(good), func(w *witnesses) {
			w.record.Hashes.ShardSums = []uint64{w.record.Hashes.ShardSums[0] + 1}
		}), finding.RecordDamaged},
		{"the size of the record is wrong, sha256 proves the bytes", with(found(good), func(w *witnesses) { w.record.Hashes.Size++ }), finding.RecordDamaged},
		{"the record fails its check, sha256 proves the bytes", with(found(good), func(w *witnesses) { w.record.Damage = damaged }), finding.RecordDamaged},
		{"the record fails its check and nothing matches", with(found(other), func(w *witnesses) { w.record.Damage = damaged }), finding.Undecided},
		{"xxh64 matches and sha256 does not", with(found(good), wrongDigest(hashsets.SHA256)), finding.Undecided},
		{"one of two checksums that prove nothing", with(found(good), func(w *witnesses) {
			w.record = recordOf(t, good, hashsets.XXH64, hashsets.CRC32)
			computed := hashSet(t, good, hashsets.XXH64, hashsets.CRC32)
			w.computed = &computed
			wrongDigest(hashsets.CRC32)(w)
		}), finding.Undecided},
		{"nothing recorded to compare with", with(found(good), func(w *witnesses) { w.record.Hashes.Digests = nil }), finding.Unverifiable},
		{"a directory in the place of a file", with(found(good), func(w *witnesses) { w.entry.Kind, w.computed = hashsets.Directory, nil; touched(w) }), finding.Modified},
		{"a FIFO in the place of a file", with(found(good), func(w *witnesses) { w.entry.Kind, w.computed = 0, nil; touched(w) }), finding.Modified},

		{"a replica that was verified, not written since", with(found(other), func(w *witnesses) {
			w.primary = false
			w.entry.Identity.ModTime = 99
			w.seen = &catalog.Coverage{Generation: 3, Identity: hashsets.Identity{ModTime: 99}}
		}), finding.Corrupt},
		{"a replica that was verified, written since", with(found(other), func(w *witnesses) {
			w.primary = false
			w.entry.Identity.ModTime = 100
			w.seen = &catalog.Coverage{Generation: 3, Identity: hashsets.Identity{ModTime: 99}}
		}), finding.Modified},
		{"a replica never verified, copied before the recording", with(found(other), func(w *witnesses) {
			w.primary = false
			w.entry.Identity.ModTime = recordedAt.Add(-time.Hour).UnixNano()
		}), finding.Corrupt},
		{"a replica never verified, written after the recording", with(found(other), func(w *witnesses) {
			w.primary = false
			touched(w)
		}), finding.Modified},
		{"a replica verified as an older generation says nothing of this one", with(found(other), func(w *witnesses) {
			w.primary = false
			w.entry.Identity.ModTime = recordedAt.Add(-time.Hour).UnixNano()
			w.seen = &catalog.Coverage{Generation: 2, Identity: hashsets.Identity{ModTime: 99}}
		}), finding.Corrupt},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, reason := test.w.judge(); got != test.want {
				t.Errorf("judged %s (%s), want %s", got, reason, test.want)
			}
		})
	}
}

func TestJudgeLinks(t *testing.T) {
	link := func(target string, modTime int64) witnesses {
		return witnesses{
			record: &catalog.Record{Name: "l", Generation: 1, Kind: hashsets.Link, Target: "there", Identity: hashsets.Identity{ModTime: 5}},
			entry:  &store.Entry{Name: "l", Kind: hashsets.Link, Identity: hashsets.Identity{ModTime: modTime}},
			target: target, primary: true,
		}
	}
	for _, test := range []struct {
		w    witnesses
		want finding.Verdict
	}{
		{link("there", 5), finding.Intact},
		{link("elsewhere", 5), finding.Corrupt},
		{link("elsewhere", 6), finding.Modified},
	} {
		if got, reason := test.w.judge(); got != test.want {
			t.Errorf("link to %q judged %s (%s), want %s", test.w.target, got, reason, test.want)
		}
	}
}

// Errors of the host never blame a blob.
func TestBlames(t *testing.T) {
	for _, test := range []struct {
		err  error
		want bool
	}{
		{store.ErrMedium, true},
		{store.ErrPermission, true},
		{store.ErrNotABlob, true},
		{errors.New("too many open files"), false},
		{store.ErrNotMounted, false},
	} {
		if got := blames(fmt.Errorf("read: %w", test.err)); got != test.want {
			t.Errorf("blames(%v) = %v, want %v", test.err, got, test.want)
		}
	}
}
