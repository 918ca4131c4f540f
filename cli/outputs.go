package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"ptabench/results"
)

// An output is a file that a command was asked to write when it is done.
type output struct {
	flag, file string
	write      func(io.Writer) error
}

// refuseOutputs says which of the files could not be written, before anything
// is measured.
func refuseOutputs(all ...output) error {
	var errs []error
	for _, o := range all {
		if o.file == "" {
			continue
		}
		info, err := os.Stat(o.file)
		dir, dirErr := os.Stat(filepath.Dir(o.file))
		switch {
		case o.file == "-":
			errs = append(errs, fmt.Errorf("--%s -: expected a file; standard output shows the run (see 'ptabench report')", o.flag))
		case err == nil && info.IsDir():
			errs = append(errs, fmt.Errorf("--%s %s: expected a file, and it is a directory", o.flag, o.file))
		case dirErr != nil:
			errs = append(errs, fmt.Errorf("--%s %s: %w", o.flag, o.file, dirErr))
		case !dir.IsDir():
			errs = append(errs, fmt.Errorf("--%s %s: %s is not a directory", o.flag, o.file, filepath.Dir(o.file)))
		}
	}
	return errors.Join(errs...)
}

// writeOutputs writes all of the files that it can.
func writeOutputs(all ...output) error {
	var errs []error
	for _, o := range all {
		if o.file == "" {
			continue
		}
		err := writeFile(o.file, o.write)
		if err != nil && o.flag != "" {
			err = fmt.Errorf("--%s: %w", o.flag, err)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// writeFile writes a file anew.
func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	err = write(f)
	return errors.Join(err, f.Close())
}

// runOutputs are the files that a run may write besides its directory.
func runOutputs(markdown, junit string, r *results.Result) []output {
	return []output{
		{"markdown", markdown, func(w io.Writer) error { return results.Markdown(w, r) }},
		{"junit", junit, func(w io.Writer) error { return results.JUnit(w, r) }},
	}
}
