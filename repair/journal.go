package repair

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// journalVersion is the version of the entries' format.
const journalVersion = 1

const (
	entrySuffix   = ".json"
	partialSuffix = ".partial" // an entry that was being written
	damagedSuffix = ".damaged" // an entry that is kept aside
)

// errEntryDamaged is wrapped when a journal entry fails its check.
var errEntryDamaged = errors.New("journal entry is damaged")

// Phase says how far a repair had come when its journal entry was written.
type phase string

const (
	begun   phase = "begun"   // the target is as it was found
	placing phase = "placing" // the replacement is verified, the original in quarantine, and the target may be either of them
)

// An entry is one repair in the journal: everything that the next run needs to
// finish it or roll it back, without the plan and without the catalog. It is
// one file in the vault's journal folder, whose JSON carries a check.
type entry struct {
	ID    string `json:"id"` // of the receipt, the staged file and the quarantine folder
	Store string `json:"store"`
	named
	Names      []linkedName  `json:"names,omitempty"` // further names of the same file, when it has several
	Action     Action        `json:"action"`
	PutBack    bool          `json:"put_back,omitempty"` // what is put in place is a copy of the quarantine, and not what is recorded
	Phase      phase         `json:"phase"`
	Run        int64         `json:"run"`
	Begun      time.Time     `json:"begun"`
	Generation int64         `json:"generation"`
	Expect     *identity     `json:"expect"` // what stands in the place; null for nothing
	Size       int64         `json:"size"`
	Digests    []Digest      `json:"digests,omitempty"`
	LinkTarget []byte        `json:"link_target,omitempty"`
	Attributes attributes    `json:"attributes"`        // of the replacement
	Rewritten  []store.Range `json:"rewritten"`         // overwrite: what is written in place
	Receipt    *detail       `json:"receipt,omitempty"` // from phase placing on
}

// Digest is hashsets.Digest in JSON.
type Digest struct {
	Algorithm hashsets.Algorithm `json:"algorithm"`
	Sum       string             `json:"sum"` // hex
}

func digestsOf(h *hashsets.HashSet) []Digest {
	var list []Digest
	for _, d := range h.Digests {
		list = append(list, Digest{d.Algorithm, hex.EncodeToString(d.Sum)})
	}
	return list
}

// hashes returns what the replacement's bytes must be. It has no shard sums.
func (e *entry) hashes() (hashsets.HashSet, error) {
	h := hashsets.HashSet{Size: e.Size}
	for _, d := range e.Digests {
		sum, err := hex.DecodeString(d.Sum)
		if err != nil {
			return h, fmt.Errorf("read %s digest: %w", d.Algorithm, err)
		}
		h.Digests = append(h.Digests, hashsets.Digest{Algorithm: d.Algorithm, Sum: sum})
	}
	return h, nil
}

// allNames returns every name that the repair heals, each of which has a
// record of the same content.
func (e *entry) allNames() []linkedName {
	return append([]linkedName{{named: e.named, Generation: e.Generation, Damaged: true}}, e.Names...)
}

// attributes is hashsets.Attributes in JSON, for names and values that are not
// text.
type attributes struct {
	Mode         uint32            `json:"mode"`
	UID          uint32            `json:"uid"`
	GID          uint32            `json:"gid"`
	ModTime      int64             `json:"mod_time_ns"`
	Xattrs       []xattr           `json:"xattrs,omitempty"` // by name
	ContentType  string            `json:"content_type,omitempty"`
	StorageClass string            `json:"storage_class,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`
	Tags         map[string]string `json:"tags,omitempty"`
}

type xattr struct {
	Name  []byte `json:"name"`
	Value []byte `json:"value"`
}

func attributesOf(a hashsets.Attributes) attributes {
	list := attributes{Mode: a.Mode, UID: a.UID, GID: a.GID, ModTime: a.ModTime,
		ContentType: a.ContentType, StorageClass: a.StorageClass, Metadata: a.Metadata, Tags: a.Tags}
	for name, value := range a.Xattrs {
		list.Xattrs = append(list.Xattrs, xattr{[]byte(name), value})
	}
	slices.SortFunc(list.Xattrs, func(a, b xattr) int { return bytes.Compare(a.Name, b.Name) })
	return list
}

func (a attributes) plain() hashsets.Attributes {
	plain := hashsets.Attributes{Mode: a.Mode, UID: a.UID, GID: a.GID, ModTime: a.ModTime,
		ContentType: a.ContentType, StorageClass: a.StorageClass, Metadata: a.Metadata, Tags: a.Tags}
	for _, x := range a.Xattrs {
		if plain.Xattrs == nil {
			plain.Xattrs = make(map[string][]byte)
		}
		plain.Xattrs[string(x.Name)] = x.Value
	}
	return plain
}

// checked is an entry as it stands in its file.
type checked struct {
	Version int             `json:"version"`
	SHA256  string          `json:"sha256"` // of entry's bytes
	Entry   json.RawMessage `json:"entry"`
}

func encodeEntry(e *entry) ([]byte, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode journal entry %s: %w", e.ID, err)
	}
	sum := sha256.Sum256(body)
	text, err := json.Marshal(checked{journalVersion, hex.EncodeToString(sum[:]), body})
	if err != nil {
		return nil, fmt.Errorf("encode journal entry %s: %w", e.ID, err)
	}
	return append(text, '\n'), nil
}

// decodeEntry returns the entry, or errEntryDamaged with the reason.
func decodeEntry(text []byte) (*entry, error) {
	var c checked
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("%w: %v", errEntryDamaged, err)
	}
	if c.Version != journalVersion {
		return nil, fmt.Errorf("%w: its version is %d, and this program knows %d", errEntryDamaged, c.Version, journalVersion)
	}
	sum := sha256.Sum256(c.Entry)
	if hex.EncodeToString(sum[:]) != c.SHA256 {
		return nil, fmt.Errorf("%w: its check does not match", errEntryDamaged)
	}
	var e entry
	if err := json.Unmarshal(c.Entry, &e); err != nil {
		return nil, fmt.Errorf("%w: %v", errEntryDamaged, err)
	}
	return &e, nil
}

// journal is the folder of the entries.
type journal struct{ dir string }

func (j journal) path(id string) string { return filepath.Join(j.dir, id+entrySuffix) }

// put makes the entry durable, in the place of its earlier version.
func (j journal) put(e *entry) error {
	text, err := encodeEntry(e)
	if err != nil {
		return err
	}
	if err := writeDurably(j.path(e.ID), text); err != nil {
		return fmt.Errorf("write journal entry %s: %w", e.ID, err)
	}
	return nil
}

// drop removes entries of repairs that are over.
func (j journal) drop(ids ...string) error {
	for _, id := range ids {
		if err := os.Remove(j.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove journal entry %s: %w", id, err)
		}
	}
	return syncDir(j.dir)
}

// setAside keeps an entry that cannot be followed out of the way of later
// runs, and returns where.
func (j journal) setAside(file string) (string, error) {
	aside := filepath.Join(j.dir, file+damagedSuffix)
	if err := os.Rename(filepath.Join(j.dir, file), aside); err != nil {
		return "", fmt.Errorf("keep journal entry aside: %w", err)
	}
	return aside, syncDir(j.dir)
}

// files returns the file names of the entries, oldest first. What an
// interrupted put left is removed: it was never in force.
func (j journal) files() ([]string, error) {
	list, err := os.ReadDir(j.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	var files []string
	for _, f := range list {
		switch name := f.Name(); {
		case strings.HasSuffix(name, entrySuffix+partialSuffix):
			if err := os.Remove(filepath.Join(j.dir, name)); err != nil {
				return nil, fmt.Errorf("remove a partial journal entry: %w", err)
			}
		case strings.HasSuffix(name, entrySuffix):
			files = append(files, name)
		}
	}
	return files, nil
}

// read returns the entry in a file, errEntryDamaged when it fails its check or
// stands in another entry's file.
func (j journal) read(file string) (*entry, error) {
	text, err := readPlain(filepath.Join(j.dir, file))
	if err != nil {
		return nil, fmt.Errorf("read journal entry %s: %w", file, err)
	}
	e, err := decodeEntry(text)
	if err != nil {
		return nil, err
	}
	if e.ID+entrySuffix != file {
		return nil, fmt.Errorf("%w: it is the entry of repair %s", errEntryDamaged, e.ID)
	}
	return e, nil
}

// newID returns an ID that no other repair has and that sorts by time.
func newID(at time.Time) string {
	var random [6]byte
	rand.Read(random[:]) // never fails: crypto/rand ends the program instead
	return at.UTC().Format("20060102T150405.000Z") + "-" + hex.EncodeToString(random[:])
}

// writeDurably puts text in the file path in one atomic step that survives a
// loss of power.
func writeDurably(path string, text []byte) error {
	partial := path + partialSuffix
	f, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(partial))
	}
	if err := os.Rename(partial, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) {
		err = nil // a platform where directories cannot be synced keeps them by itself
	}
	return errors.Join(err, d.Close())
}
