// Renders a chart as `helm template` does, for machines without Helm: the same switches, the same functions of sprig, and the
// chart's values.schema.json. It knows one chart without dependencies, and has no cluster to look things up in.
package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"github.com/ghodss/yaml"
	"github.com/xeipuuv/gojsonschema"
)

type table = map[string]interface{}

// The order in which Helm installs, and so prints; kinds that it does not know come last.
var installOrder = []string{
	"Namespace", "NetworkPolicy", "ResourceQuota", "LimitRange", "PodSecurityPolicy", "PodDisruptionBudget", "ServiceAccount",
	"Secret", "SecretList", "ConfigMap", "StorageClass", "PersistentVolume", "PersistentVolumeClaim", "CustomResourceDefinition",
	"ClusterRole", "ClusterRoleList", "ClusterRoleBinding", "ClusterRoleBindingList", "Role", "RoleList", "RoleBinding",
	"RoleBindingList", "Service", "DaemonSet", "Pod", "ReplicationController", "ReplicaSet", "Deployment",
	"HorizontalPodAutoscaler", "StatefulSet", "Job", "CronJob", "IngressClass", "Ingress", "APIService",
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) < 3 || arguments[0] != "template" {
		return errors.New("usage: renderer template RELEASE CHART [--namespace NAME] [-f FILE]… [--set KEY=VALUE]… [--notes]")
	}
	release, chart, namespace, notes := arguments[1], arguments[2], "default", false
	values := table{}
	if err := readYaml(filepath.Join(chart, "values.yaml"), &values); err != nil {
		return err
	}
	for rest := arguments[3:]; len(rest) > 0; rest = rest[1:] {
		if rest[0] == "--notes" {
			notes = true
			continue
		}
		if len(rest) < 2 {
			return fmt.Errorf("%s needs a value", rest[0])
		}
		name, value := rest[0], rest[1]
		rest = rest[1:]
		switch name {
		case "--namespace":
			namespace = value
		case "-f":
			given := table{}
			if err := readYaml(value, &given); err != nil {
				return err
			}
			merge(values, given)
		case "--set":
			given, err := parseSet(value)
			if err != nil {
				return err
			}
			merge(values, given)
		default:
			return fmt.Errorf("unknown switch %s", name)
		}
	}
	if err := checkSchema(filepath.Join(chart, "values.schema.json"), values); err != nil {
		return err
	}
	rendered, err := render(chart, release, namespace, values)
	if err != nil {
		return err
	}
	if notes {
		fmt.Print(rendered["templates/NOTES.txt"])
		return nil
	}
	return printManifests(path.Base(filepath.Clean(chart)), rendered)
}

func readYaml(file string, into interface{}) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// What is given wins; null takes a default away.
func merge(values, given table) {
	for name, value := range given {
		inner, isTable := value.(table)
		if known, ok := values[name].(table); isTable && ok {
			merge(known, inner)
		} else if value == nil {
			delete(values, name)
		} else {
			values[name] = value
		}
	}
}

// a.b=value; {x,y} is a list. Helm's --set knows more, which no test here needs.
func parseSet(text string) (table, error) {
	equals := strings.Index(text, "=")
	if equals < 0 {
		return nil, fmt.Errorf("--set %s: expected KEY=VALUE", text)
	}
	var value interface{}
	word := text[equals+1:]
	if strings.HasPrefix(word, "{") && strings.HasSuffix(word, "}") {
		list := []interface{}{}
		for _, item := range strings.Split(strings.Trim(word, "{}"), ",") {
			list = append(list, item)
		}
		value = list
	} else if err := json.Unmarshal([]byte(word), &value); err != nil {
		value = word
	}
	keys := strings.Split(text[:equals], ".")
	for i := len(keys) - 1; i >= 0; i-- {
		value = table{keys[i]: value}
	}
	return value.(table), nil
}

func checkSchema(file string, values table) error {
	schema, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil
	} else if err != nil {
		return err
	}
	result, err := gojsonschema.Validate(gojsonschema.NewBytesLoader(schema), gojsonschema.NewGoLoader(values))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if result.Valid() {
		return nil
	}
	var lines []string
	for _, failure := range result.Errors() {
		lines = append(lines, "- "+failure.String())
	}
	return fmt.Errorf("values don't meet the specifications of the schema(s) in the following chart(s):\n%s", strings.Join(lines, "\n"))
}

func render(chart, release, namespace string, values table) (map[string]string, error) {
	metadata := table{}
	if err := readYaml(filepath.Join(chart, "Chart.yaml"), &metadata); err != nil {
		return nil, err
	}
	about := table{}
	for name, value := range metadata {
		about[strings.ToUpper(name[:1])+name[1:]] = value
	}

	sources, files, err := readChart(chart)
	if err != nil {
		return nil, err
	}
	root := template.New("chart").Option("missingkey=zero")
	root.Funcs(functions(root))
	names := make([]string, 0, len(sources))
	for name, source := range sources {
		names = append(names, name)
		if _, err := root.New(name).Parse(source); err != nil {
			return nil, fmt.Errorf("parse error at %w", err)
		}
	}
	sort.Strings(names)

	rendered := map[string]string{}
	for _, name := range names {
		if strings.HasPrefix(path.Base(name), "_") {
			continue
		}
		var page strings.Builder
		err := root.ExecuteTemplate(&page, name, table{
			"Values":       values,
			"Chart":        about,
			"Files":        files,
			"Release":      table{"Name": release, "Namespace": namespace, "Service": "Helm", "Revision": 1, "IsInstall": true, "IsUpgrade": false},
			"Capabilities": table{"KubeVersion": table{"Version": "v1.32.0", "Major": "1", "Minor": "32"}},
			"Template":     table{"Name": name, "BasePath": "templates"},
		})
		if err != nil {
			return nil, fmt.Errorf("execution error at %w", err)
		}
		rendered[name] = strings.ReplaceAll(page.String(), "<no value>", "")
	}
	return rendered, nil
}

// Templates, and the other files that templates may read.
func readChart(chart string) (map[string]string, chartFiles, error) {
	sources, files := map[string]string{}, chartFiles{}
	err := filepath.WalkDir(chart, func(file string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(chart, file)
		if strings.HasPrefix(name, "templates/") {
			sources[name] = string(content)
		} else {
			files[name] = content
		}
		return nil
	})
	return sources, files, err
}

type chartFiles map[string][]byte

func (files chartFiles) Get(name string) string { return string(files[name]) }

func (files chartFiles) Glob(pattern string) chartFiles {
	found := chartFiles{}
	for name, content := range files {
		if matches, _ := path.Match(pattern, name); matches {
			found[name] = content
		}
	}
	return found
}

func (files chartFiles) AsConfig() string {
	contents := map[string]string{}
	for name, content := range files {
		contents[path.Base(name)] = string(content)
	}
	return toYaml(contents)
}

func (files chartFiles) AsSecrets() string {
	contents := map[string]string{}
	for name, content := range files {
		contents[path.Base(name)] = base64.StdEncoding.EncodeToString(content)
	}
	return toYaml(contents)
}

func functions(root *template.Template) template.FuncMap {
	known := sprig.TxtFuncMap()
	// Helm takes them away, so that a chart cannot read the machine that it is rendered on.
	delete(known, "env")
	delete(known, "expandenv")
	known["include"] = func(name string, data interface{}) (string, error) {
		var page strings.Builder
		err := root.ExecuteTemplate(&page, name, data)
		return page.String(), err
	}
	known["tpl"] = func(text string, data interface{}) (string, error) {
		copied, err := root.Clone()
		if err != nil {
			return "", err
		}
		parsed, err := copied.New("tpl").Parse(text)
		if err != nil {
			return "", err
		}
		var page strings.Builder
		err = parsed.Execute(&page, data)
		return strings.ReplaceAll(page.String(), "<no value>", ""), err
	}
	known["required"] = func(message string, value interface{}) (interface{}, error) {
		if value == nil || value == "" {
			return nil, errors.New(message)
		}
		return value, nil
	}
	known["lookup"] = func(string, string, string, string) table { return table{} }
	known["toYaml"] = toYaml
	known["toJson"] = func(value interface{}) string {
		text, _ := json.Marshal(value)
		return string(text)
	}
	known["fromYaml"] = func(text string) table {
		value := table{}
		if err := yaml.Unmarshal([]byte(text), &value); err != nil {
			value["Error"] = err.Error()
		}
		return value
	}
	known["fromJson"] = func(text string) table {
		value := table{}
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			value["Error"] = err.Error()
		}
		return value
	}
	return known
}

func toYaml(value interface{}) string {
	text, err := yaml.Marshal(value)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(text), "\n")
}

func printManifests(chart string, rendered map[string]string) error {
	type manifest struct {
		source, text string
		order        int
	}
	var manifests []manifest
	names := make([]string, 0, len(rendered))
	for name := range rendered {
		names = append(names, name)
	}
	sort.Strings(names)
	separator := regexp.MustCompile(`(?m)^---\s*$`)
	for _, name := range names {
		if strings.HasSuffix(name, ".txt") {
			continue
		}
		for _, text := range separator.Split(rendered[name], -1) {
			if strings.TrimSpace(text) == "" {
				continue
			}
			head := struct {
				Kind string `json:"kind"`
			}{}
			if err := yaml.Unmarshal([]byte(text), &head); err != nil {
				return fmt.Errorf("%s is no YAML: %w\n%s", name, err, text)
			}
			order := len(installOrder)
			for i, kind := range installOrder {
				if kind == head.Kind {
					order = i
				}
			}
			manifests = append(manifests, manifest{name, strings.Trim(text, "\n"), order})
		}
	}
	sort.SliceStable(manifests, func(i, j int) bool { return manifests[i].order < manifests[j].order })
	for _, each := range manifests {
		fmt.Printf("---\n# Source: %s/%s\n%s\n", chart, each.source, each.text)
	}
	return nil
}
