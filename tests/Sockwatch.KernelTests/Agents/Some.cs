namespace Sockwatch.KernelTests.Agents;

internal static class Some
{
    public static string ConfigurationFile(string yaml)
    {
        var path = Path.Combine(Directory.CreateTempSubdirectory("sockwatch-test-").FullName, "sockwatch.yaml");
        File.WriteAllText(path, yaml);
        return path;
    }
}
