package observe

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// InventoryColumns are the columns of an inventory, for tables.
var InventoryColumns = []string{"NAME", "VERSION", "STATE", "CERTIFICATE", "LAST REPORT", "SIGN-INS", "FAILURES", "SHARE"}

// Row is a connector in the words of a table, column by column, at a time by
// the cloud's clock.
func (c *InventoryConnector) Row(now time.Time) []string {
	version, certificate, report := c.Version, "expired "+coarse(now.Sub(time.Unix(0, c.ExpiresNS)))+" ago", "none"
	if version == "" {
		version = "unknown"
	}
	if left := time.Unix(0, c.ExpiresNS).Sub(now); left > 0 {
		certificate = "expires in " + coarse(left)
	}
	if c.LastReport != nil {
		version += c.LastReport.Update.words()
		report = coarse(now.Sub(time.Unix(0, c.LastReport.AtNS))) + " ago"
		if !c.LastReport.DirectoryReachable {
			report += ", no directory"
		}
	}
	return []string{c.Name, version, c.Status(), certificate, report,
		fmt.Sprint(c.SignIns), fmt.Sprint(c.Failures), fmt.Sprintf("%.1f%%", 100*c.ShareRatio)}
}

// coarse is a time as people say it: in days from two on, rounded, and so forth.
func coarse(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d d", d.Round(24*time.Hour)/(24*time.Hour))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

// WriteText writes the inventory as a table.
func (v *Inventory) WriteText(w io.Writer) error {
	if len(v.Connectors) == 0 {
		_, err := fmt.Fprintf(w, "tenant %s has no connectors\n", v.Tenant)
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(cells []string) {
		for i, c := range cells {
			if i > 0 {
				fmt.Fprint(table, "\t")
			}
			fmt.Fprint(table, c)
		}
		fmt.Fprintln(table)
	}
	line(InventoryColumns)
	for i := range v.Connectors {
		line(v.Connectors[i].Row(time.Unix(0, v.AtNS)))
	}
	return table.Flush()
}
