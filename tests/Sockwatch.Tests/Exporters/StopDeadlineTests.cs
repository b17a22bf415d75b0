using Sockwatch.Exporters;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Exporters;

public class StopDeadlineTests
{
    [Fact]
    public void Who_is_quick_leaves_the_time_to_the_next_and_who_hangs_not_more_than_was_left_out()
    {
        var time = new ManualTime();
        var deadline = new StopDeadline(time);

        Assert.Equal(1.6, deadline.Patience(StopDeadline.AfterMetrics).TotalSeconds, 3);
        time.Advance(TimeSpan.FromSeconds(0.1));
        Assert.Equal(2.9, deadline.Patience(StopDeadline.AfterRecords).TotalSeconds, 3);
        time.Advance(TimeSpan.FromSeconds(2.9));
        Assert.Equal(0.5, deadline.Patience().TotalSeconds, 3);
        time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(0.1, deadline.Patience().TotalSeconds, 3);
    }
}
