// Command kstatus judges objects as Flux and Helm judge them: one JSON object a line on standard
// input, one line "STATUS<tab>message" a line on standard output, by the module both of them use.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func main() {
	in := bufio.NewReader(os.Stdin)
	decoder := json.NewDecoder(in)
	for decoder.More() {
		var object map[string]any
		if err := decoder.Decode(&object); err != nil {
			fmt.Fprintln(os.Stderr, "not a JSON object:", err)
			os.Exit(1)
		}
		result, err := status.Compute(&unstructured.Unstructured{Object: object})
		if err != nil {
			fmt.Fprintln(os.Stderr, "cannot be judged:", err)
			os.Exit(1)
		}
		fmt.Printf("%s\t%s\n", result.Status, result.Message)
	}
}
