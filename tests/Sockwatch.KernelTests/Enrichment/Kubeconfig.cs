namespace Sockwatch.KernelTests.Enrichment;

/// <summary>What leads an agent to the API server of a test.</summary>
internal static class Kubeconfig
{
    public static async Task<string> WriteAsync(Uri server)
    {
        var path = Path.GetTempFileName();
        await File.WriteAllTextAsync(path, $"""
            apiVersion: v1
            kind: Config
            current-context: test
            contexts: [{"{"}name: test, context: {"{"}cluster: here{"}"}{"}"}]
            clusters: [{"{"}name: here, cluster: {"{"}server: "{server}"{"}"}{"}"}]
            """);
        return path;
    }
}
