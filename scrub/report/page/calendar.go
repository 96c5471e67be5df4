package page

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
)

// Measures of a calendar, in units of its drawing.
const (
	cellSize   = 13 // with the gap
	cellInk    = 11
	leftMargin = 28 // for the days of the week
	topMargin  = 16 // for the months
	leastWeeks = 14
	mostWeeks  = 53
)

// A calendar shows on which day how many blobs of a store were last looked at.
type calendar struct {
	Store         Store
	Width, Height int
	Days          []dayCell
	Months        []label
	Older         int64 // blobs that were last looked at before the calendar begins
	Groups        []share
	Summary       string
}

type dayCell struct {
	X, Y  int
	Class string // q0 … q4; late when that is longer ago than the promise
	Title string
}

type label struct {
	X    int
	Text string
}

// A share is how many blobs have an age, for who reads no drawing.
type share struct {
	Group
	Share int // percent, rounded down
}

func calendarsOf(p *Page) []calendar {
	var all []calendar
	for _, s := range p.Stores[:min(len(p.Stores), storesDrawn)] {
		if s.Blobs > 0 {
			all = append(all, calendarOf(s, p.At, p.MaxAge))
		}
	}
	return all
}

func calendarOf(s Store, at time.Time, maxAge time.Duration) calendar {
	today := at.UTC().Truncate(24 * time.Hour)
	weekday := int(today.Weekday()+6) % 7 // Monday is 0
	weeks := max(leastWeeks, min(mostWeeks, (len(s.Days)+13)/7))
	c := calendar{
		Store: s, Width: leftMargin + weeks*cellSize, Height: topMargin + 7*cellSize,
		Groups: sharesOf(s),
	}
	most := int64(1)
	for _, n := range s.Days {
		most = max(most, n)
	}
	drawn := (weeks-1)*7 + weekday + 1
	for age := drawn - 1; age >= 0; age-- {
		place := drawn - 1 - age
		day := today.AddDate(0, 0, -age)
		n := int64(0)
		if age < len(s.Days) {
			n = s.Days[age]
		}
		c.Days = append(c.Days, dayCell{
			X: leftMargin + place/7*cellSize, Y: topMargin + place%7*cellSize,
			Class: shade(n, most, maxAge > 0 && time.Duration(age)*24*time.Hour >= maxAge),
			Title: fmt.Sprintf("%s: %s", day.Format("2006-01-02"), blobs(n)),
		})
		if day.Day() == 1 || age == drawn-1 && day.Day() < 20 {
			c.Months = append(c.Months, label{leftMargin + place/7*cellSize, day.Format("Jan")})
		}
	}
	for age := drawn; age < len(s.Days); age++ {
		c.Older += s.Days[age]
	}
	c.Summary = fmt.Sprintf("Store %s: %s, half of them looked at within %s, all within %s.", s.Name, blobs(s.Blobs), ageText(s.Typical), ageText(s.Oldest))
	return c
}

// shade is darker the more blobs there are; by orders of magnitude, since a
// night with few of them is to be seen beside the first one with all.
func shade(n, most int64, late bool) string {
	if n == 0 {
		return "q0"
	}
	level := 4
	for m := most; m > n*4 && level > 1; m /= 4 {
		level--
	}
	if late {
		return "late"
	}
	return fmt.Sprintf("q%d", level)
}

func sharesOf(s Store) []share {
	shares := make([]share, len(s.Groups))
	for i, g := range s.Groups {
		shares[i] = share{g, int(g.Blobs * 100 / max(s.Blobs, 1))}
	}
	return shares
}

func blobs(n int64) string {
	if n == 1 {
		return "1 blob"
	}
	return humanize.Comma(n) + " blobs"
}
