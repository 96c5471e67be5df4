package diagnose

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode/utf8"

	"bitmend/scrub/finding"
)

// allOf tells whether every byte is value. No bytes are not.
func allOf(p []byte, value byte) bool {
	return len(p) > 0 && p[0] == value && bytes.Equal(p[1:], p[:len(p)-1])
}

// isTextByte tells whether a byte occurs in texts in ASCII, Latin-1 or UTF-8.
func isTextByte(b byte) bool {
	return b >= ' ' && b != 0x7f || b == '\n' || b == '\r' || b == '\t' || b == '\f'
}

// isText tells whether bytes look like text: none that texts do not have, and
// mostly ASCII or else UTF-8.
func isText(p []byte) bool {
	high := 0
	for _, b := range p {
		if !isTextByte(b) {
			return false
		}
		if b >= 0x80 {
			high++
		}
	}
	return len(p) > 0 && (high <= len(p)/4 || isUTF8(p))
}

// isUTF8 tells whether bytes are UTF-8 but for a rune that is cut at either
// end.
func isUTF8(p []byte) bool {
	for cut := 0; cut < utf8.UTFMax-1 && len(p) > 0 && !utf8.RuneStart(p[0]); cut++ {
		p = p[1:]
	}
	for cut := 0; cut < utf8.UTFMax && len(p) > 0; cut++ {
		if utf8.Valid(p) {
			return true
		}
		p = p[:len(p)-1]
	}
	return false
}

// strangeInText finds the one run of bytes that are no text in what is text
// otherwise. The text around it must be most of it.
func strangeInText(p []byte) (extent, bool) {
	first, last := -1, -1
	for i, b := range p {
		if !isTextByte(b) || b >= 0x80 {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if first < 0 || last-first+1 > len(p)/4 {
		return extent{}, false
	}
	run := p[first : last+1]
	controls := 0
	for _, b := range run {
		if !isTextByte(b) {
			controls++
		}
	}
	// Random bytes have about one control in nine.
	return extent{int64(first), int64(last) + 1}, controls > 0 && controls >= len(run)/32
}

const (
	leastRandom = 1024 // bytes: in fewer, chance tells too little
	// With 255 degrees of freedom random bytes stay below 400 but for once in
	// a hundred million times: from 215 to 309 in 122 shards of 64 KiB. So do
	// some that compressors write (a tar of sources: bzip2 1 of 35, zstd 4 of
	// 44, gzip 9 of 44, xz 32 of 36), which is why formats are known by their
	// beginning.
	randomChiSquare = 400
)

// looksRandom tells whether every value of a byte is about as frequent as any
// other, as in what is encrypted, and in some of what is compressed.
func looksRandom(p []byte) bool {
	if len(p) < leastRandom {
		return false
	}
	var counts [256]int
	for _, b := range p {
		counts[b]++
	}
	expected := float64(len(p)) / 256
	chiSquare := 0.0
	for _, n := range counts {
		d := float64(n) - expected
		chiSquare += d * d / expected
	}
	return chiSquare < randomChiSquare
}

// encrypted finds content that looks encrypted where it did not before: nothing
// of the blob is left, or the good bytes or the blob's name say that it was not
// random.
func (l *look) encrypted(marks []mark) (Diagnosis, error) {
	for _, m := range marks {
		_, length := l.span(m.shard)
		partial := m.shard == marks[len(marks)-1].shard && length < leastRandom
		if !m.random && !partial {
			return undiagnosed()
		}
	}
	all := l.hasSums && len(l.bad) == len(l.Recorded.ShardSums)
	if !marks[0].random || len(marks) < min(len(l.bad), lookedAt) || !all && len(l.bad) == 1 {
		return undiagnosed()
	}
	head, err := l.read(0, min(headLength, l.Computed.Size))
	if err != nil || knownFormat(head) {
		return Diagnosis{}, err
	}
	looks := "its bytes look random and begin like no known format"
	switch {
	case l.Good != nil && !l.noGood && marks[0].narrowed:
		return diagnosed(finding.EncryptedLooking, "the damaged shards look random, and the good bytes do not")
	case all && l.promised(head):
		return diagnosed(finding.EncryptedLooking, looks, fmt.Sprintf("the ending of its name, %s, promises something else", path.Ext(l.Name)))
	case all && len(l.bad) > 1:
		return diagnosed(finding.EncryptedLooking, looks, "no recorded shard is left")
	}
	return undiagnosed()
}

const headLength = 16

// magics begin the formats whose content is compressed and so looks random.
func magics() []string {
	return []string{
		"PK\x03\x04", "\x1f\x8b", "BZh", "\xfd7zXZ\x00", "\x28\xb5\x2f\xfd", "7z\xbc\xaf", "Rar!", "\x04\x22\x4d\x18",
		"\xff\xd8\xff", "\x89PNG", "GIF8", "RIFF", "OggS", "fLaC", "ID3", "\xff\xfb", "\x1aE\xdf\xa3", "%PDF", "II*\x00", "MM\x00*",
	}
}

func knownFormat(head []byte) bool {
	for _, magic := range magics() {
		if bytes.HasPrefix(head, []byte(magic)) {
			return true
		}
	}
	return len(head) >= 8 && string(head[4:8]) == "ftyp" // MP4, HEIF
}

// promised tells whether the blob's name promises a text or a format that its
// first bytes do not keep.
func (l *look) promised(head []byte) bool {
	switch strings.ToLower(path.Ext(l.Name)) {
	case ".txt", ".md", ".csv", ".tsv", ".json", ".xml", ".html", ".htm", ".svg", ".yaml", ".yml", ".toml", ".ini", ".log", ".sql",
		".go", ".c", ".h", ".py", ".js", ".ts", ".java", ".sh", ".css", ".tex", ".eml":
		return !isText(head)
	case ".zip", ".docx", ".xlsx", ".pptx", ".odt", ".ods", ".jar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar",
		".jpg", ".jpeg", ".png", ".gif", ".webp", ".tif", ".tiff", ".pdf", ".mp3", ".mp4", ".mov", ".heic", ".mkv", ".flac", ".ogg", ".avi", ".wav":
		return !knownFormat(head)
	}
	return false
}

// sampledBytes is how much of a blob LooksEncrypted reads at its beginning and
// in its middle.
const sampledBytes = 64 << 10

// LooksEncrypted tells whether a blob of that size looks random at its
// beginning and in its middle and begins like no known format. It says nothing
// of what the blob was before; what cannot be read does not look encrypted.
func LooksEncrypted(blob io.ReaderAt, size int64) bool {
	sample := make([]byte, min(size, sampledBytes))
	for _, offset := range []int64{0, (size - int64(len(sample))) / 2} {
		n, err := blob.ReadAt(sample, offset)
		if n < len(sample) && err != nil {
			return false
		}
		if !looksRandom(sample) || offset == 0 && knownFormat(sample[:min(headLength, len(sample))]) {
			return false
		}
	}
	return true
}
