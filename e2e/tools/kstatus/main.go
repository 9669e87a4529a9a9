// Command kstatus judges objects as Flux and Helm judge them: one JSON object a line on standard
// input, one line "STATUS<tab>message" a line on standard output, by the module both of them use.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func main() {
	decoder := json.NewDecoder(bufio.NewReader(os.Stdin))
	for decoder.More() {
		// Unstructured decodes itself: integers as int64, which kstatus insists on.
		var object unstructured.Unstructured
		if err := decoder.Decode(&object); err != nil {
			fmt.Fprintln(os.Stderr, "not a Kubernetes object:", err)
			os.Exit(1)
		}
		result, err := status.Compute(&object)
		if err != nil {
			fmt.Fprintln(os.Stderr, "cannot be judged:", err)
			os.Exit(1)
		}
		// One line per object, whatever the message contains.
		fmt.Printf("%s\t%s\n", result.Status, strings.Join(strings.Fields(result.Message), " "))
	}
}
