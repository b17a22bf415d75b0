using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Sockwatch.Configuration;

internal static class ConfigurationServices
{
    /// <summary>The options of no stage; each stage adds its own. Values were checked when the configuration was loaded.</summary>
    public static IServiceCollection AddSettings(this IServiceCollection services)
    {
        services.AddOptions<AgentOptions>().Configure<IConfiguration>((options, configuration) => configuration.Bind(options));
        services.AddOptions<LogOptions>().BindConfiguration("Log");
        return services;
    }

    /// <summary>Takes over what can change while the agent runs: whoever can, adds an <see cref="IReloadable"/>.</summary>
    public static IServiceCollection AddConfigurationWatch(this IServiceCollection services)
    {
        services.AddHostedService(provider => new ConfigurationWatch(
            provider.GetService<OperatorSettings>(),
            provider.GetServices<IReloadable>(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<ConfigurationWatch>>()));
        return services;
    }

    /// <summary>Needed before there are services: the logger is what everything else is built on.</summary>
    public static LogLevel LogLevel(this IConfiguration configuration) =>
        Enum.TryParse<LogLevel>(configuration["log:level"], out var level) ? level : new LogOptions().Level;
}
