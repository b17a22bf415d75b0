using Sockwatch.Exporters;
using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Exporters;

public class FlowLogQueueTests
{
    [Fact]
    public void One_noisy_process_leaves_room_for_the_others_and_for_detections()
    {
        var queue = new FlowLogQueue(1024);

        var noisy = Enumerable.Range(0, 5000).Count(_ => queue.TryAdd(new FlowRecord { Pid = 1, Kind = RecordKind.FlowStart }));
        var quiet = Enumerable.Range(0, 20).Count(_ => queue.TryAdd(new FlowRecord { Pid = 2, Kind = RecordKind.FlowStart }));
        var detections = Enumerable.Range(0, 20).Count(_ => queue.TryAdd(new FlowRecord { Pid = 1, Kind = RecordKind.FlowDetect }));

        // Three quarters and a sixteenth, or a few of these where the test took longer than a moment.
        Assert.InRange(noisy, 832, 984);
        Assert.Equal((20, 20), (quiet, detections));
    }

    [Fact]
    public void A_full_queue_is_full()
    {
        var queue = new FlowLogQueue(8);

        Assert.Equal(8, Enumerable.Range(0, 20).Count(_ => queue.TryAdd(new FlowRecord { Pid = 1, Kind = RecordKind.FlowDetect })));
    }
}
