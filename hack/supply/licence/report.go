package licence

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Table is what is in third_party/licences.md: the modules and their licences, as a person reads them.
func Table(findings []Finding) string {
	var b strings.Builder
	b.WriteString(`# What is compiled into the programs

` + "`make update-golden`" + ` writes this file and licences.txt, and ` + "`make licences`" + ` holds them to what the recommender and the webhook are compiled of, on
Linux with amd64 or arm64. The texts in licences.txt go into the images, under /licenses: every licence here asks for that.

| licence | modules | may be shipped, because |
| --- | --- | --- |
`)
	number := Count(findings)
	for _, id := range slices.Sorted(maps.Keys(number)) {
		fmt.Fprintf(&b, "| %s | %d | %s |\n", id, number[id], cmp.Or(Allowed[id], "-"))
	}
	b.WriteString("\nA module with several licences has files under each. \"std\" is Go's standard library.\n\n| module | version | licences | files |\n| --- | --- | --- | --- |\n")
	for _, f := range findings {
		var files []string
		for _, text := range f.Texts {
			files = append(files, text.Path)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.Path, f.Version, strings.Join(f.Licences, ", "), strings.Join(files, ", "))
	}
	return b.String()
}

// Count is how many of the modules have each licence; "unknown" are those of which it is not known.
func Count(findings []Finding) map[string]int {
	number := map[string]int{}
	for _, f := range findings {
		for _, id := range f.Licences {
			number[id]++
		}
		if len(f.Licences) == 0 {
			number["unknown"]++
		}
	}
	return number
}

// rule separates texts that have lines of any kind themselves.
const rule = "================================================================================"

// Bundle is what is in third_party/licences.txt, and in the images: all texts, each once, under the names of those whose it is.
func Bundle(findings []Finding) string {
	owners := map[string][]string{}
	var texts []string // in the order of their first owners
	for _, f := range findings {
		for _, text := range f.Texts {
			content := normalized(text.Content)
			if owners[content] == nil {
				texts = append(texts, content)
			}
			owners[content] = append(owners[content], strings.TrimSpace(f.Path+" "+f.Version)+": "+text.Path)
		}
	}
	var b strings.Builder
	b.WriteString("The programs of Sartor are compiled of the modules that are named here, under these licences and with these notices.\nSartor's own is in the file LICENSE.\n")
	for _, content := range texts {
		fmt.Fprintf(&b, "\n%s\n%s\n%s\n\n%s", rule, strings.Join(owners[content], "\n"), rule, content)
	}
	return b.String()
}

// normalized is a text whose lines end in the same way, so that texts which look the same are.
func normalized(text string) string {
	lines := strings.Split(strings.Trim(strings.ReplaceAll(text, "\r\n", "\n"), "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \t")
	}
	return strings.Join(lines, "\n") + "\n"
}
