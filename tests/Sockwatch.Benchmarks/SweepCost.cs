using System.Diagnostics;
using System.Globalization;
using Sockwatch.Kernel;

namespace Sockwatch.Benchmarks;

/// <summary>What finding the sockets that are there already takes, where the kernel has no iterators for it.</summary>
internal static class SweepCost
{
    public static void Run(int connections)
    {
        using var hold = Process.Start(new ProcessStartInfo("artifacts/load/hold", ["--sockets", connections.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        hold.StandardOutput.ReadLine();
        Console.WriteLine($"\nWalk through /proc with {connections} connections over loopback, both ends here");
        for (var pass = 0; pass < 5; pass++)
        {
            var allocated = GC.GetAllocatedBytesForCurrentThread();
            var busy = Environment.CpuUsage.TotalTime;
            var clock = Stopwatch.StartNew();
            var descriptors = new ProcDescriptors(new HostPaths());
            descriptors.PrintSockets();
            clock.Stop();
            busy = Environment.CpuUsage.TotalTime - busy;
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"  {descriptors.Printed} sockets in {clock.Elapsed.TotalMilliseconds:0.0} ms, {busy.TotalMilliseconds:0.0} ms of a processor, {busy.TotalMicroseconds / descriptors.Printed:0.0} us each, "
                + $"{(GC.GetAllocatedBytesForCurrentThread() - allocated) / 1e6:0.0} MB allocated"));
        }

        hold.StandardInput.Close();
        hold.WaitForExit();
    }
}
