package diagnose_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"bitmend/hashsets"
	"bitmend/scrub/diagnose"
	"bitmend/scrub/finding"
)

// shardSize of the tests: small, so that blobs have many shards.
const shardSize = 4096

func hashSet(t testing.TB, p []byte) hashsets.HashSet {
	t.Helper()
	h, err := hashsets.NewHasher([]hashsets.Algorithm{hashsets.XXH64, hashsets.SHA256}, shardSize)
	if err != nil {
		t.Fatal(err)
	}
	h.Write(p)
	return h.HashSet()
}

// text is n bytes of lines of words that do not repeat.
func text(n int) []byte {
	var b bytes.Buffer
	words := strings.Fields("store blob replica shard sum hash set generation parity stripe band vault catalog protect scrub finding plan receipt gate donor")
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%d %s %s", i, words[i%len(words)], words[i*7/3%len(words)])
		if i%5 == 4 {
			b.WriteByte('\n')
		} else {
			b.WriteByte(' ')
		}
	}
	return b.Bytes()[:n]
}

// encryptedCopy is what ransomware leaves.
func encryptedCopy(p []byte) []byte {
	block, err := aes.NewCipher(random(77, 32))
	if err != nil {
		panic(err)
	}
	out := make([]byte, len(p))
	cipher.NewCTR(block, random(78, 16)).XORKeyStream(out, p)
	return append(out, random(79, 256)...)
}

// changed is a copy of p that was given to do.
func changed(p []byte, do func(p []byte)) []byte {
	p = bytes.Clone(p)
	do(p)
	return p
}

func fill(p []byte, value byte) {
	for i := range p {
		p[i] = value
	}
}

func joined(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// example is one damage to one blob.
type example struct {
	name          string
	good, damaged []byte
	set           func(c *diagnose.Case) // what else is known; nil for nothing
	alone         finding.Diagnosis      // from the damaged bytes and the sums
	compared      finding.Diagnosis      // with the good bytes too
	evidence      string                 // in what is said from the damaged bytes alone
}

func examples(t testing.TB) []example {
	const s = shardSize
	binary := random(1, 20*s+1000)
	small := random(2, 3000)
	words := text(20*s + 1000)
	few := text(3000)
	older := joined(binary[:5*s], random(3, 15*s+1000))
	crlf := bytes.ReplaceAll(words, []byte("\n"), []byte("\r\n"))
	latin1 := bytes.ReplaceAll(words, []byte("e"), []byte("\xe9"))
	utf8Text := bytes.ReplaceAll(words, []byte("e"), []byte("é"))
	utf16Text := []byte("\xff\xfe")
	for _, b := range words {
		utf16Text = append(utf16Text, b, 0)
	}
	// An image of a disk has whole sectors of zeros everywhere.
	disk := random(4, 20*s)
	for i := range 20 {
		fill(disk[i*s+1024:i*s+2048], 0)
	}
	period := bytes.Repeat([]byte("0123456789abcdef"), 10*s/16)

	flip := func(p []byte, at, bit int) []byte { return changed(p, func(p []byte) { p[at] ^= 1 << bit }) }
	earlier := func(p []byte) func(c *diagnose.Case) {
		return func(c *diagnose.Case) {
			c.Earlier = []diagnose.Generation{{Number: 2, Hashes: hashSet(t, random(9, 500))}, {Number: 1, Hashes: hashSet(t, p)}}
		}
	}
	elsewhere := func(blob string, p []byte) func(c *diagnose.Case) {
		return func(c *diagnose.Case) {
			sums := hashSet(t, p).ShardSums
			c.Elsewhere = func(wanted []uint64) map[uint64]diagnose.Where {
				found := map[uint64]diagnose.Where{}
				for _, w := range wanted {
					for i, sum := range sums {
						if sum == w {
							found[w] = diagnose.Where{Blob: blob, Generation: 4, Shard: i}
						}
					}
				}
				return found
			}
		}
	}
	named := func(name string) func(c *diagnose.Case) { return func(c *diagnose.Case) { c.Name = name } }
	same := func(d finding.Diagnosis) (finding.Diagnosis, finding.Diagnosis) { return d, d }
	var all []example
	add := func(name string, good, damaged []byte, set func(c *diagnose.Case), alone, compared finding.Diagnosis, evidence string) {
		all = append(all, example{name, good, damaged, set, alone, compared, evidence})
	}
	both := func(name string, good, damaged []byte, set func(c *diagnose.Case), d finding.Diagnosis, evidence string) {
		alone, compared := same(d)
		add(name, good, damaged, set, alone, compared, evidence)
	}

	both("one bit", binary, flip(binary, 3*s+17, 5), nil, finding.BitFlip, fmt.Sprintf("bit 5 of byte %d", 3*s+17))
	both("one bit of a small blob", small, flip(small, 2999, 0), nil, finding.BitFlip, "bit 0 of byte 2999")
	both("one bit of a text", words, flip(words, 3*s, 7), nil, finding.BitFlip, "bit 7 of byte 12288")
	both("one bit of the last shard", binary, flip(binary, len(binary)-1, 1), nil, finding.BitFlip, "bit 1")
	both("a bit in each of two shards", binary, flip(flip(binary, 5, 1), 9*s, 2), nil, finding.BitFlip, "bit 2 of byte 36864")

	both("burst in one shard", binary, changed(binary, func(p []byte) { copy(p[5*s+100:], random(5, 60)) }), nil, finding.Burst, "all else is intact")
	both("burst over two shards", binary, changed(binary, func(p []byte) { copy(p[5*s-30:], random(5, 60)) }), nil, finding.Burst, "all else is intact")
	both("burst in a text", words, changed(words, func(p []byte) { copy(p[5*s+100:], random(5, 200)) }), nil, finding.Burst, "no text")
	add("burst in a small blob", small, changed(small, func(p []byte) { copy(p[1000:], random(5, 60)) }), nil, finding.Unknown, finding.Burst, "differ")
	word := changed(binary, func(p []byte) { copy(p[5*s+100:], "word") })
	both("a word in what is no text", word, changed(word, func(p []byte) { copy(p[5*s+100:], "lost") }), nil, finding.Burst, "all else is intact")
	add("two bits of one byte", binary, changed(binary, func(p []byte) { p[7] ^= 3 }), nil, finding.Burst, finding.Burst, "more than one bit")

	both("a shard zeroed", binary, changed(binary, func(p []byte) { fill(p[4*s:5*s], 0) }), nil, finding.Zeroed, "bytes 16384-20479 (4,096 bytes), on boundaries of 4 KiB are zero")
	both("sectors zeroed", binary, changed(binary, func(p []byte) { fill(p[4*s+512:4*s+1536], 0) }), nil, finding.Zeroed, "bytes 16896-17919 (1,024 bytes), on boundaries of 512 bytes are zero")
	both("64 KiB zeroed", binary, changed(binary, func(p []byte) { fill(p[:16*s], 0) }), nil, finding.Zeroed, "on boundaries of 64 KiB")
	both("all zeroed", binary, make([]byte, len(binary)), nil, finding.Zeroed, "are zero")
	both("all of a small blob zeroed", small, make([]byte, len(small)), nil, finding.Zeroed, "bytes 0-2999 (3,000 bytes) are zero")
	add("some bytes zeroed", binary, changed(binary, func(p []byte) { fill(p[4*s+77:4*s+177], 0) }), nil, finding.Burst, finding.Zeroed, "more than one bit")
	both("a sector of ones", binary, changed(binary, func(p []byte) { fill(p[4*s+512:4*s+1024], 0xff) }), nil, finding.Ones, "on boundaries of 512 bytes have every bit set")
	both("shards of ones", binary, changed(binary, func(p []byte) { fill(p[4*s:6*s], 0xff) }), nil, finding.Ones, "8,192 bytes")
	add("a burst where sectors of zeros are usual", disk, changed(disk, func(p []byte) { copy(p[4*s+3000:], random(5, 60)) }), nil, finding.Burst, finding.Burst, "more than one bit")

	both("truncated by one", binary, binary[:len(binary)-1], nil, finding.Truncated, "with the 1 byte found that were lost")
	both("truncated by two", small, small[:len(small)-2], nil, finding.Truncated, "with the 2 bytes found that were lost")
	both("truncated by half", binary, binary[:len(binary)/2], nil, finding.Truncated, "10 shards before it, all that are complete, are intact")
	both("truncated on a page", binary, binary[:8*s], nil, finding.Truncated, "ends at byte 32768, on a boundary of 4 KiB")
	both("truncated to nothing", binary, nil, nil, finding.Truncated, "it is empty")
	both("truncated in its first shard", small, small[:1000], nil, finding.Truncated, "too short for a shard sum")
	both("zeros at the end cut off", joined(small, make([]byte, 500)), small, nil, finding.Truncated, "as many zeros")
	both("text cut in a line", few, few[:1234], nil, finding.Truncated, "1,766 bytes are gone")

	both("extended", binary, joined(binary, random(6, 777)), nil, finding.Extended, "777 bytes follow")
	both("extended with zeros on a boundary", binary[:8*s], joined(binary[:8*s], make([]byte, 9*s)), nil, finding.Extended, "begins with zeros")
	both("extended from nothing", nil, small, nil, finding.Extended, "it was empty")
	both("small and extended", small, joined(small, small), nil, finding.Extended, "3,000 bytes are intact")

	both("bytes put in", binary, joined(binary[:6*s+100], []byte("abc"), binary[6*s+100:]), nil, finding.Shifted, "3 bytes after its place")
	both("a byte taken out", binary, joined(binary[:6*s+100], binary[6*s+101:]), nil, finding.Shifted, "1 byte before its place")
	both("bytes put in and the end cut off", binary, joined(binary[:6*s+100], []byte("abcde"), binary[6*s+100:])[:len(binary)], nil, finding.Shifted, "5 bytes after its place")
	both("a sector put in and the end cut off", binary, joined(binary[:6*s+100], make([]byte, 2048), binary[6*s+100:])[:len(binary)], nil, finding.Shifted, "2,048 bytes after its place")
	both("much put in", binary, joined(binary[:s], random(5, 100_000), binary[s:]), nil, finding.Shifted, "100,000 bytes after its place")
	both("much taken out", binary, joined(binary[:s], binary[9*s+5:]), nil, finding.Shifted, "32,773 bytes before its place")
	both("bytes put into a small blob", small, joined(small[:1000], []byte("xyz"), small[1000:]), nil, finding.Shifted, "at byte 1000")
	both("a burst in what repeats itself", period, changed(period, func(p []byte) { copy(p[len(p)-2000:], random(5, 60)) }), nil, finding.Burst, "no text")

	both("the end never written", binary, changed(binary, func(p []byte) { fill(p[7*s+1024:], 0) }), nil, finding.TornTail, "from byte 29696, on a boundary of 512 bytes")
	both("the end older", binary, changed(binary, func(p []byte) { copy(p[9*s:], older[9*s:]) }), earlier(older), finding.TornTail, "older content")

	both("an older generation", binary, older, earlier(older), finding.StaleContent, "are those of generation 1")
	both("a smaller older generation", binary, older[:7*s], earlier(older[:7*s]), finding.StaleContent, "are those of generation 1")
	both("one shard older", binary, changed(binary, func(p []byte) { copy(p[9*s:10*s], older[9*s:]) }), earlier(older), finding.StaleContent, "is that of generation 1")

	both("two shards swapped", binary, changed(binary, func(p []byte) { copy(p[3*s:], binary[8*s:9*s]); copy(p[8*s:], binary[3*s:4*s]) }), nil, finding.SwappedShards, "2 shards changed places")
	both("a shard of the same blob", binary, changed(binary, func(p []byte) { copy(p[3*s:], binary[8*s:9*s]) }), nil, finding.Misplaced, "the shard at byte 12288 has the content of the one at byte 32768")
	both("a shard of another blob", binary, changed(binary, func(p []byte) { copy(p[3*s:], words[8*s:9*s]) }), elsewhere("b\n", words), finding.Misplaced, `of the blob "b\n" at byte 32768 (generation 4)`)
	both("another, shorter blob", binary, words[:3*s/2], elsewhere("other", words[:3*s/2]), finding.Misplaced, `the blob "other"`)
	both("another blob of less than a shard", binary, words[:s/2], elsewhere("other", words[:s/2]), finding.Misplaced, `the blob "other"`)
	both("another blob", binary, words, elsewhere("other", words), finding.Misplaced, `the blob "other"`)

	both("LF to CR LF", words, crlf, nil, finding.NewlineConversion, "each LF became CR LF")
	both("CR LF to LF", crlf, words, nil, finding.NewlineConversion, "each CR LF became LF")
	both("LF to CR LF in a small text", few, bytes.ReplaceAll(few, []byte("\n"), []byte("\r\n")), nil, finding.NewlineConversion, "each LF")
	both("a mark put in front", words, joined([]byte("\xef\xbb\xbf"), words), nil, finding.TextTranscoding, "byte order mark was put in front")
	both("a mark taken away", joined([]byte("\xef\xbb\xbf"), words), words, nil, finding.TextTranscoding, "byte order mark in front was taken away")
	both("Latin-1 to UTF-8", latin1, utf8Text, nil, finding.TextTranscoding, "Latin-1 became UTF-8")
	both("UTF-8 to Latin-1", utf8Text, latin1, nil, finding.TextTranscoding, "UTF-8 became Latin-1")
	both("UTF-8 to UTF-16", words, utf16Text, nil, finding.TextTranscoding, "UTF-16")

	recorded := hashSet(t, binary)
	sha, _ := recorded.Digest(hashsets.SHA256)
	pointer := []byte(fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%x\nsize %d\n", sha, len(binary)))
	both("a git-lfs pointer", binary, pointer, nil, finding.LFSPointer, "it points to the recorded content")
	both("another git-lfs pointer", words, pointer, nil, finding.LFSPointer, "it points to other content")

	both("a text encrypted", words, encryptedCopy(words), nil, finding.EncryptedLooking, "look random")
	add("a small text encrypted", few, encryptedCopy(few), nil, finding.Unknown, finding.EncryptedLooking, "differ")
	both("a small text encrypted, with its name", few, encryptedCopy(few), named("a/b.txt"), finding.EncryptedLooking, ".txt")

	// Near misses: what is none of the above must not be called so.
	both("a word of a text changed", words, changed(words, func(p []byte) { copy(p[5*s+100:], "rotted") }), nil, finding.Unknown, "differ")
	both("a word of a small text changed", few, changed(few, func(p []byte) { copy(p[100:], "rotted") }), nil, finding.Unknown, "differ")
	both("a small text made shorter", few, joined(few[:100], few[200:1000], []byte("\n")), nil, finding.Unknown, "shorter")
	both("another text", few, []byte("something else\n"), nil, finding.Unknown, "shorter")
	both("a text made anew and shorter", words, text(30 * s)[17*s+9:22*s+5], nil, finding.Unknown, "shorter")
	both("a compressed file anew", joined([]byte("PK\x03\x04"), binary), joined([]byte("PK\x03\x04"), random(8, len(binary))), nil, finding.Unknown, "differ")
	add("some newlines converted", words, bytes.Replace(words, []byte("\n"), []byte("\r\n"), 900), nil, finding.Shifted, finding.Shifted, "900 bytes after its place")
	return all
}

func caseOf(t testing.TB, e example) diagnose.Case {
	c := diagnose.Case{
		Name: "blob", Recorded: hashSet(t, e.good), Computed: hashSet(t, e.damaged),
		Damaged: bytes.NewReader(e.damaged), FlipSearches: 4,
	}
	if e.set != nil {
		e.set(&c)
	}
	return c
}

func TestLook(t *testing.T) {
	for _, e := range examples(t) {
		t.Run(e.name, func(t *testing.T) {
			c := caseOf(t, e)
			alone, err := diagnose.Look(context.Background(), c)
			if err != nil {
				t.Fatal(err)
			}
			said := strings.Join(alone.Evidence, "\n  ")
			if alone.Kind != e.alone || !strings.Contains(said, e.evidence) {
				t.Errorf("from the damaged bytes: %s, want %s with %q:\n  %s", alone.Kind, e.alone, e.evidence, said)
			}
			c.Good = bytes.NewReader(e.good)
			compared, err := diagnose.Look(context.Background(), c)
			if err != nil {
				t.Fatal(err)
			}
			if compared.Kind != e.compared || len(compared.Evidence) == 0 {
				t.Errorf("with the good bytes: %s, want %s:\n  %s", compared.Kind, e.compared, strings.Join(compared.Evidence, "\n  "))
			}
		})
	}
}

// counting counts what is read, and fails where it is told to.
type counting struct {
	io.ReaderAt
	bytes int64
	fail  error
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	if c.fail != nil {
		return 0, c.fail
	}
	n, err := c.ReaderAt.ReadAt(p, off)
	c.bytes += int64(n)
	return n, err
}

func TestAnErrorInReadingIsReturned(t *testing.T) {
	broken := errors.New("broken")
	for _, e := range examples(t) {
		c := caseOf(t, e)
		c.Damaged = &counting{fail: broken}
		d, err := diagnose.Look(context.Background(), c)
		if err == nil && d.Kind == "" || err != nil && !errors.Is(err, broken) {
			t.Errorf("%s: %s, %v; want a kind or the error", e.name, d.Kind, err)
		}
	}
}

func TestAnEndedContextEndsTheLook(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	binary := random(1, 20*shardSize)
	c := caseOf(t, example{good: binary, damaged: changed(binary, func(p []byte) { p[0]++ })})
	if d, err := diagnose.Look(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("%s, %v; want that it is cancelled", d.Kind, err)
	}
}

func TestAGoodCopyIsBelievedByItsSums(t *testing.T) {
	binary := random(1, 20*shardSize)
	damaged := changed(binary, func(p []byte) { p[5*shardSize+9] ^= 4 })
	for name, good := range map[string]io.ReaderAt{
		"one that is damaged itself": bytes.NewReader(changed(binary, func(p []byte) { fill(p[5*shardSize:6*shardSize], 7) })),
		"one that is too short":      bytes.NewReader(binary[:100]),
		"one that cannot be read":    &counting{fail: errors.New("broken")},
	} {
		c := caseOf(t, example{good: binary, damaged: damaged})
		c.Good = good
		d, err := diagnose.Look(context.Background(), c)
		if err != nil || d.Kind != finding.BitFlip || !strings.Contains(d.Evidence[0], "matches its recorded sum") {
			t.Errorf("with %s: %s %q, %v; want a bit flip that is found by its sum", name, d.Kind, d.Evidence, err)
		}
	}
}

func TestWithoutShardSumsTheGoodCopyTells(t *testing.T) {
	for _, e := range examples(t) {
		if !oneOf(e.name, "one bit", "burst in a small blob", "a shard zeroed", "truncated by half", "truncated to nothing", "extended",
			"bytes put in", "a byte taken out", "LF to CR LF", "UTF-8 to UTF-16", "an older generation", "a word of a text changed") {
			continue
		}
		c := caseOf(t, e)
		for _, h := range []*hashsets.HashSet{&c.Recorded, &c.Computed} {
			h.ShardSize, h.ShardSums = 0, nil
		}
		c.Good = bytes.NewReader(e.good)
		d, err := diagnose.Look(context.Background(), c)
		if err != nil || d.Kind != e.compared {
			t.Errorf("%s: %s %q, %v; want %s", e.name, d.Kind, d.Evidence, err, e.compared)
		}
		c.Good = nil
		if d, err := diagnose.Look(context.Background(), c); err != nil || d.Kind == "" {
			t.Errorf("%s without anything to compare: %q, %v", e.name, d.Kind, err)
		}
	}
}

func oneOf(name string, names ...string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

func TestNoSearchIsMadeUnlessItIsAllowed(t *testing.T) {
	binary := random(1, 20*shardSize)
	c := caseOf(t, example{good: binary, damaged: changed(binary, func(p []byte) { p[9] ^= 4 })})
	c.FlipSearches = 0
	if d, err := diagnose.Look(context.Background(), c); err != nil || d.Kind != finding.Unknown {
		t.Errorf("%s, %v; want unknown", d.Kind, err)
	}
}

func TestALargeBlobIsLookedAtInPart(t *testing.T) {
	binary := random(1, 2000*shardSize)
	zeroed := changed(binary, func(p []byte) { fill(p[3*shardSize:1900*shardSize], 0) })
	source := &counting{ReaderAt: bytes.NewReader(zeroed)}
	c := caseOf(t, example{good: binary, damaged: zeroed})
	c.Damaged = source
	d, err := diagnose.Look(context.Background(), c)
	if err != nil || d.Kind != finding.Zeroed || !strings.Contains(strings.Join(d.Evidence, "\n"), "256 of its 1,897 damaged shards were looked at") {
		t.Errorf("%s %q, %v; want zeroed, looked at in part", d.Kind, d.Evidence, err)
	}
	if most := int64(300 * shardSize); source.bytes > most {
		t.Errorf("%d bytes were read, want at most %d", source.bytes, most)
	}
}

func TestBoundariesAreNamedWhereDamageKeepsToThem(t *testing.T) {
	binary := changed(random(1, 20*shardSize), func(p []byte) {
		for i := range p {
			p[i] |= 1 // no zeros of its own, so that a run of them is as long as it was made
		}
	})
	for _, c := range []struct {
		from, to int
		want     string
	}{
		{4 * shardSize, 5 * shardSize, "on boundaries of 4 KiB are zero"},
		{4*shardSize + 512, 5 * shardSize, "on boundaries of 512 bytes are zero"},
		{4*shardSize + 100, 5 * shardSize, "(3,996 bytes) are zero"},
		{4 * shardSize, 5*shardSize - 100, "(3,996 bytes) are zero"},
		{0, 16 * shardSize, "on boundaries of 64 KiB are zero"},
	} {
		damaged := changed(binary, func(p []byte) { fill(p[c.from:c.to], 0) })
		x := caseOf(t, example{good: binary, damaged: damaged})
		x.Good = bytes.NewReader(binary)
		d, err := diagnose.Look(context.Background(), x)
		if err != nil || d.Kind != finding.Zeroed || !strings.Contains(d.Evidence[0], c.want) {
			t.Errorf("bytes %d-%d zeroed: %s %q, %v; want %q", c.from, c.to, d.Kind, d.Evidence, err, c.want)
		}
	}
}

func TestMixedDamageIsNamedByMost(t *testing.T) {
	binary := random(1, 20*shardSize)
	damaged := changed(binary, func(p []byte) {
		fill(p[2*shardSize:4*shardSize], 0)
		p[9*shardSize] ^= 1
	})
	d, err := diagnose.Look(context.Background(), caseOf(t, example{good: binary, damaged: damaged}))
	if err != nil || d.Kind != finding.Zeroed || !strings.Contains(strings.Join(d.Evidence, "\n"), "1 more damaged shard shows something else") {
		t.Errorf("%s %q, %v", d.Kind, d.Evidence, err)
	}
}

func TestShardsThatWereNotSearchedDoNotOutvoteAFlip(t *testing.T) {
	binary := random(1, 20*shardSize)
	c := caseOf(t, example{good: binary, damaged: changed(binary, func(p []byte) {
		p[0] ^= 1
		p[3*shardSize] ^= 1
		p[9*shardSize] ^= 1
	})})
	c.FlipSearches = 1
	d, err := diagnose.Look(context.Background(), c)
	if err != nil || d.Kind != finding.BitFlip || !strings.Contains(strings.Join(d.Evidence, "\n"), "2 more damaged shards") {
		t.Errorf("%s %q, %v", d.Kind, d.Evidence, err)
	}
}

func FuzzLook(f *testing.F) {
	words := text(3 * shardSize)
	f.Add(words, words[:100], uint8(1))
	f.Add(words, bytes.ReplaceAll(words, []byte("\n"), []byte("\r\n")), uint8(0))
	f.Add([]byte{}, []byte("\xff\xfea"), uint8(3))
	f.Fuzz(func(t *testing.T, good, damaged []byte, how uint8) {
		if len(good) > 1<<16 || len(damaged) > 1<<16 {
			return
		}
		c := caseOf(t, example{good: good, damaged: damaged})
		c.FlipSearches = int(how & 1)
		if how&2 != 0 {
			c.Good = bytes.NewReader(good)
		}
		if how&4 != 0 {
			c.Recorded.ShardSums, c.Recorded.ShardSize = nil, 0
		}
		d, err := diagnose.Look(context.Background(), c)
		if err != nil || d.Kind == "" || len(d.Evidence) == 0 {
			t.Errorf("%q %q, %v", d.Kind, d.Evidence, err)
		}
	})
}

// BenchmarkLook is what diagnosing one blob of many costs.
func BenchmarkLook(b *testing.B) {
	for _, e := range examples(b) {
		if !oneOf(e.name, "one bit", "burst in one shard", "all zeroed", "another blob", "bytes put in", "a word of a text changed", "a text encrypted") {
			continue
		}
		b.Run(strings.ReplaceAll(e.name, " ", "-"), func(b *testing.B) {
			c := caseOf(b, e)
			for b.Loop() {
				if _, err := diagnose.Look(context.Background(), c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
