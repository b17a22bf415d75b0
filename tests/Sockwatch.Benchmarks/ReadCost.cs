namespace Sockwatch.Benchmarks;

internal static class ReadCost
{
    public static void Run()
    {
    }
}
