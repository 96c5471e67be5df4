package verify

import (
	"archive/tar"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"bitmend/hashsets"
	"bitmend/hashsets/manifest"
)

// checkPackages checks the Debian packages that were given: each carries the
// MD5 of its files, but for those of its configuration (deb(5), ar(5)).
func (r *run) checkPackages(ctx context.Context) error {
	for _, at := range r.found.packages {
		p := &debPackage{run: r, at: at, list: &List{Name: at.shown(), Format: manifest.Deb, given: true}, files: map[string][]byte{}, config: map[string]bool{}}
		r.table.addList(p.list)
		if err := p.check(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			p.tell(&Result{Name: "", Status: Bad, Reason: "it is no whole Debian package: " + err.Error()}, nil)
		}
	}
	return nil
}

// debPackage is one package being checked.
type debPackage struct {
	run    *run
	at     place
	list   *List
	files  map[string][]byte // MD5 by name, of what was not seen yet
	config map[string]bool   // names of files that are not listed
}

// check reads the package once, from its first byte to its last: what it says
// of its files comes before them.
func (p *debPackage) check(ctx context.Context) error {
	f, _, err := openFile(p.at)
	if err != nil {
		return err
	}
	defer f.Close() // it was only read from
	in := io.Reader(f)
	magic := make([]byte, 8)
	if _, err := io.ReadFull(in, magic); err != nil || string(magic) != "!<arch>\n" {
		return errors.New("it does not begin as one")
	}
	seen := map[string]bool{}
	for {
		name, size, err := arHeader(in)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		part := io.LimitReader(in, size)
		kind, _, _ := strings.Cut(name, ".")
		switch kind {
		case "control":
			err = p.tarFiles(ctx, name, part, p.control)
		case "data":
			err = p.tarFiles(ctx, name, part, p.data)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		seen[kind] = true
		if _, err := io.Copy(io.Discard, part); err != nil {
			return err
		}
		if size%2 == 1 {
			if _, err := io.ReadFull(in, make([]byte, 1)); err != nil && !errors.Is(err, io.EOF) {
				return err
			}
		}
	}
	if !seen["control"] || !seen["data"] {
		return errors.New("it has no control or no data")
	}
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		p.tell(&Result{Name: name, Status: Missing}, p.files[name])
	}
	return nil
}

// arHeader reads the header of a member.
func arHeader(in io.Reader) (name string, size int64, err error) {
	header := make([]byte, 60)
	if _, err := io.ReadFull(in, header); err != nil {
		return "", 0, err // io.EOF after the last one
	}
	size, err = strconv.ParseInt(strings.TrimSpace(string(header[48:58])), 10, 64)
	if err != nil || size < 0 || string(header[58:]) != "`\n" {
		return "", 0, errors.New("the header of a member is damaged")
	}
	return strings.TrimRight(string(header[:16]), " /"), size, nil
}

// maxWindow is the most memory that unpacking a member may take, in bytes.
const maxWindow = 128 << 20

// tarFiles calls do with each regular file of a packed tar.
func (p *debPackage) tarFiles(ctx context.Context, name string, in io.Reader, do func(name string, in io.Reader) error) error {
	var err error
	switch path.Ext(name) {
	case ".gz":
		in, err = gzip.NewReader(in)
	case ".xz":
		in, err = xz.ReaderConfig{DictCap: maxWindow}.NewReader(in)
	case ".zst":
		var d *zstd.Decoder
		if d, err = zstd.NewReader(in, zstd.WithDecoderMaxWindow(maxWindow)); err == nil {
			defer d.Close()
			in = d
		}
	case ".bz2":
		in = bzip2.NewReader(in)
	case ".tar":
	default:
		return errors.New("it is packed in a way that bitmend does not know")
	}
	if err != nil {
		return err
	}
	for archive := tar.NewReader(in); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF):
			_, err = io.Copy(io.Discard, in) // to the end, where its own checksum stands
			return err
		case err != nil:
			return err
		case h.Typeflag != tar.TypeReg:
			continue
		}
		if err := do(strings.TrimPrefix(h.Name, "./"), archive); err != nil {
			return err
		}
	}
}

// control takes the lists out of the control part.
func (p *debPackage) control(name string, in io.Reader) error {
	const most = 64 << 20
	switch name {
	case "md5sums":
		return manifest.Read(manifest.SumFile, io.LimitReader(in, most), manifest.Options{ListName: "md5sums", Algorithm: hashsets.MD5}, p)
	case "conffiles":
		text, err := io.ReadAll(io.LimitReader(in, most))
		for line := range strings.Lines(string(text)) {
			p.config[strings.TrimPrefix(strings.TrimSpace(line), "/")] = true
		}
		return err
	}
	return nil
}

// Entry takes a line of md5sums.
func (p *debPackage) Entry(e manifest.Entry) error {
	p.list.Entries++
	p.files[e.Name] = e.Digests[0].Sum
	return nil
}

// Problem takes a line of md5sums that is none.
func (p *debPackage) Problem(problem manifest.Problem) error {
	res := &Result{Name: "", Status: Malformed, Reason: "md5sums: " + problem.Text, line: true}
	p.tell(res, nil)
	return nil
}

// data checks one file of the data part.
func (p *debPackage) data(name string, in io.Reader) error {
	sum, listed := p.files[name]
	if !listed {
		if !p.config[name] && !p.run.opts.AllowExtra {
			p.tell(&Result{Name: name, Status: Extra}, nil)
		}
		return nil
	}
	delete(p.files, name)
	h := md5.New()
	n, err := io.Copy(h, in)
	if err != nil {
		return err
	}
	res := &Result{Name: name, Status: OK, Size: n, Read: n}
	computed := h.Sum(nil)
	if !bytes.Equal(sum, computed) {
		res.Status = Bad
	}
	p.tell(res, sum, computed)
	return nil
}

// tell tells of a file of the package, with the sum that is listed and, where
// there is one, the sum that it has.
func (p *debPackage) tell(res *Result, sums ...[]byte) {
	res.Folder = p.at.shown()
	if res.Name == "" {
		res.Folder, res.Name = p.at.root.shown, p.at.name
	}
	if res.Status != Extra {
		s := Said{List: p.list, Size: manifest.NoSize, Status: res.Status}
		if len(sums) > 0 && sums[0] != nil {
			d := Compared{Digest: manifest.Digest{Algorithm: hashsets.MD5, Sum: sums[0]}}
			if len(sums) > 1 {
				d.Computed, d.Matches = sums[1], res.Status == OK
			}
			s.Digests = []Compared{d}
		}
		res.Said = []Said{s}
	}
	p.run.tell(res)
}
