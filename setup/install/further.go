package install

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// FurtherFormat is the format of the file that further connectors are installed
// from.
const FurtherFormat = 1

// A FurtherConnector is all that another host must be told, but for the
// directory's password and who may register: no secret.
type FurtherConnector struct {
	Format      int             `json:"format"`
	Tenant      string          `json:"tenant"`
	Cloud       json.RawMessage `json:"cloud"` // a cloud file
	Directory   string          `json:"directory"`
	DirectoryCA string          `json:"directory_ca_pem"`
	BindDN      string          `json:"bind_dn"`
	BaseDN      string          `json:"base_dn"`
}

// WriteFurther writes the file that further connectors are installed from.
func (c *Connector) WriteFurther(cloud []byte) error {
	text, err := json.MarshalIndent(FurtherConnector{
		Format: FurtherFormat, Tenant: c.Tenant, Cloud: cloud, Directory: c.Directory,
		DirectoryCA: string(c.DirectoryCA), BindDN: c.BindDN, BaseDN: c.BaseDN,
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(c.FurtherFile(), append(text, '\n'), 0o644)
}

// ReadFurther reads what WriteFurther wrote.
func ReadFurther(file string) (FurtherConnector, error) {
	var f FurtherConnector
	in, err := os.Open(file)
	if err != nil {
		return f, fmt.Errorf("--from: %w", err)
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, 1<<20))
	if err != nil {
		return f, fmt.Errorf("--from: %w", err)
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return f, fmt.Errorf("--from %s: expected the file that 'ptabench setup' made for further connectors: %w", file, err)
	}
	if f.Format < 1 || f.Format > FurtherFormat {
		return f, fmt.Errorf("--from %s: format: %d: expected %d", file, f.Format, FurtherFormat)
	}
	return f, nil
}
