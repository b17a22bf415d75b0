using Sockwatch.Diagnostics;
using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Diagnostics;

public sealed class LossLedgerTests
{
    [Fact]
    public void Knows_every_reason_from_the_start_at_zero()
    {
        var losses = new LossLedger().Read();

        Assert.All(losses, loss => Assert.Equal(0, loss.Count));
        Assert.All(Enum.GetValues<LossReason>(), reason => Assert.Contains(new Loss("kernel", reason.Name(), 0), losses));
        Assert.Equal(LossReasons.Count, Enum.GetValues<LossReason>().Length);
        Assert.Contains(new Loss("kernel", "program_recursion", 0), losses);
        Assert.Contains(new Loss("flow_log", "queue_full", 0), losses);
        Assert.Contains(new Loss("flow_log", "write_failed", 0), losses);
        Assert.DoesNotContain(losses, loss => loss.Reason == "unknown");
    }

    [Fact]
    public void Adds_to_and_follows_counts_kept_elsewhere()
    {
        var ledger = new LossLedger();
        var elsewhere = 0L;
        ledger.Follow("flow_log", "queue_full", () => elsewhere);
        ledger.Add("enrichment", "listeners_full");
        ledger.Add("enrichment", "listeners_full");

        elsewhere = 7;

        Assert.Contains(new Loss("flow_log", "queue_full", 7), ledger.Read());
        Assert.Contains(new Loss("enrichment", "listeners_full", 2), ledger.Read());
    }
}
