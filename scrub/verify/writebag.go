package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"bitmend/hashsets/manifest"
)

// bag makes a bag of a folder whose payload stands in data/ already: manifests
// of the payload, what declares the bag, and last the manifests of all of that.
func (w *writing) bag(ctx context.Context) error {
	data := w.top.below("data")
	if info, err := data.root.Stat(data.local()); err != nil || !info.IsDir() {
		return fmt.Errorf("%w: a bag has its files in the folder data, and %s has no such folder", ErrOptions, w.top.shown())
	}
	var tags []manifest.List
	for _, l := range w.lists {
		l.Name = "tag" + l.Name
		if err := free(w.path(l), w.opts.Overwrite); err != nil {
			return err
		}
		tags = append(tags, l)
	}
	if err := w.declarable(); err != nil {
		return err
	}
	inData := below(data)
	if err := w.write(ctx, w.lists, func(at place) bool { return inData(at.full()) }); err != nil {
		return err
	}
	if w.sum.Intact == 0 {
		return nil
	}
	oxum := fmt.Sprintf("%d.%d", w.sum.Bytes, w.sum.Intact)
	if err := w.declare(oxum); err != nil {
		return err
	}
	return w.write(ctx, tags, func(at place) bool {
		return !inData(at.full()) && !strings.HasPrefix(at.name, "tagmanifest-")
	})
}

// declarable tells whether what is declared already can stay.
func (w *writing) declarable() error {
	f, _, err := openFile(w.top.below("bagit.txt"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading bagit.txt: %w", err)
	}
	defer f.Close() // it was only read from
	said, problems, err := manifest.ReadBagDeclaration(f)
	switch {
	case err != nil:
		return err
	case len(problems) > 0:
		return fmt.Errorf("%w: %s", ErrOptions, problems[0].Text)
	case said.Version != manifest.Version{Major: 1} || said.Encoding != "UTF-8":
		return fmt.Errorf("%w: bagit.txt declares BagIt %s in %s, and bitmend writes 1.0 in UTF-8", ErrOptions, said.Version, said.Encoding)
	}
	return nil
}

// declare writes bagit.txt and bag-info.txt where they are not there. A
// bag-info.txt that says something else of the payload is somebody's, and an
// error.
func (w *writing) declare(oxum string) error {
	if err := w.keepOrWrite("bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"); err != nil {
		return err
	}
	if err := w.keepOrWrite("bag-info.txt", "Bag-Software-Agent: bitmend\nPayload-Oxum: "+oxum+"\n"); err != nil {
		return err
	}
	f, _, err := openFile(w.top.below("bag-info.txt"))
	if err != nil {
		return fmt.Errorf("reading bag-info.txt: %w", err)
	}
	defer f.Close() // it was only read from
	size, files, ok, err := manifest.PayloadOxum(f, "UTF-8")
	if said := fmt.Sprintf("%d.%d", size, files); err == nil && ok && said != oxum {
		err = fmt.Errorf("the Payload-Oxum of bag-info.txt is %s, and that of the payload is %s: correct it and write the lists again", said, oxum)
	}
	return err
}

func (w *writing) keepOrWrite(name, text string) error {
	f, err := w.top.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}
