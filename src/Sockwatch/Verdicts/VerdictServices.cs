using System.Globalization;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Sockwatch.Configuration;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Verdicts;

internal static class VerdictServices
{
    /// <summary>Lists of addresses: in the kernel before its programs are at work, unless the configuration wants none at all.</summary>
    public static IServiceCollection AddVerdicts(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddDiagnostics();
        services.AddOptions<VerdictOptions>().BindConfiguration("Verdicts");
        services.AddSingleton(provider => new Detections(provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<KernelLists>();
        services.AddSingleton<AddedVerdicts>();
        services.AddSingleton<VerdictLists>();
        var options = configuration.GetSection("Verdicts").Get<VerdictOptions>() ?? new VerdictOptions();
        if (HasLists(options))
        {
            services.AddSingleton<IKernelLists>(provider => provider.GetRequiredService<VerdictLists>());
            services.AddHostedService<VerdictWatch>();
            services.AddSingleton(provider => MaxAdded(provider.GetRequiredService<AddedVerdicts>()));
            services.AddSingleton(provider => AllowTtl(provider.GetRequiredService<AddedVerdicts>()));
            services.AddSingleton(provider => DetectTtl(provider.GetRequiredService<AddedVerdicts>()));
        }

        return services;
    }

    public static bool HasLists(VerdictOptions options) => options.Files.Count > 0 || options.MaxAdded > 0;

    public static RunTimeOption MaxAdded(AddedVerdicts added) => new(
        "verdicts.maxAdded",
        () => added.Limit.ToString(CultureInfo.InvariantCulture),
        value => added.Limit = int.Parse(value, CultureInfo.InvariantCulture))
    {
        WhyNot = value => int.Parse(value, CultureInfo.InvariantCulture) > added.Room
            ? string.Create(CultureInfo.InvariantCulture, $"the kernel has room for {added.Room}; for more, set it in the configuration and restart")
            : null,
    };

    public static RunTimeOption AllowTtl(AddedVerdicts added) => new(
        "verdicts.allowTtl", () => Quantity.DurationText(added.AllowTtl), value => added.AllowTtl = TimeSpan.ParseExact(value, "c", CultureInfo.InvariantCulture));

    public static RunTimeOption DetectTtl(AddedVerdicts added) => new(
        "verdicts.detectTtl", () => Quantity.DurationText(added.DetectTtl), value => added.DetectTtl = TimeSpan.ParseExact(value, "c", CultureInfo.InvariantCulture));
}
