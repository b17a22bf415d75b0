using Sockwatch.KernelTests.Agents;

namespace Sockwatch.DeployTests.Chart;

/// <summary>Renders the chart, by our own renderer of Debian's Go libraries; it is built once, in seconds.</summary>
internal static class Renderer
{
    private static readonly Lazy<Task<Ended>> s_built = new(BuildAsync);

    public static string Chart { get; } = Path.Combine(Repository.Root, "deploy/helm/sockwatch");

    private static string Program { get; } = Path.Combine(Repository.Root, "artifacts/deploy/renderer");

    public static async Task<Ended> TryRenderAsync(params string[] switches)
    {
        Requires.Program("go", "golang-go");
        foreach (var (library, package) in new[]
        {
            ("Masterminds/sprig", "golang-github-masterminds-sprig-dev"),
            ("ghodss/yaml", "golang-github-ghodss-yaml-dev"),
            ("xeipuuv/gojsonschema", "golang-github-xeipuuv-gojsonschema-dev"),
        })
        {
            Assert.SkipWhen(!Directory.Exists($"/usr/share/gocode/src/github.com/{library}"), $"the Go library {library} is not installed (Debian package {package})");
        }

        var built = await s_built.Value;
        Assert.True(built.ExitCode == 0, built.Errors);
        return await Shell.RunAsync(Program, ["template", "sockwatch", Chart, "--namespace", "sockwatch", .. switches]);
    }

    public static async Task<string> RenderAsync(params string[] switches)
    {
        var rendered = await TryRenderAsync(switches);
        Assert.True(rendered.ExitCode == 0, rendered.Errors);
        return rendered.Output;
    }

    private static Task<Ended> BuildAsync() => Shell.RunAsync(
        "/usr/bin/go",
        ["build", "-o", Program, Path.Combine(Repository.Root, "tests/Sockwatch.DeployTests/Chart/renderer/main.go")],
        new Dictionary<string, string>
        {
            ["GO111MODULE"] = "off",
            ["GOPATH"] = "/usr/share/gocode",
            ["GOFLAGS"] = "",
            ["GOCACHE"] = Path.Combine(Repository.Root, "artifacts/deploy/go-cache"),
        });

    /// <summary>A file of values, for -f.</summary>
    public static async Task<string> WriteAsync(string values)
    {
        var file = Path.Combine(Directory.CreateTempSubdirectory("sockwatch-test-").FullName, "values.yaml");
        await File.WriteAllTextAsync(file, values);
        return file;
    }
}
