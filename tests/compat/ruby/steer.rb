# Presses a button of the Web UI's Busy page: steer.rb IDENTITY quiet!|stop!
require "sidekiq"
require "sidekiq/api"

identity, button = ARGV
process = Sidekiq::ProcessSet.new.find { |found| found.identity == identity }
abort "#{identity} is not listed" unless process
process.public_send(button)
puts "null"
